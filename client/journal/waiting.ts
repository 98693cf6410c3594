import type { Note } from './record.js'
import type { Segment } from './segment.js'

/** A record that has its place in a segment and is not written there yet. */
export interface Waiting {
  readonly segment: Segment
  readonly start: number
  readonly pieces: readonly Buffer[]
  /** Undefined for a note, which nobody waits for. */
  readonly waiter: { stored(): void; failed(error: unknown): void } | undefined
  readonly note: Note | undefined
}

/** @returns `stored` resolves once this, and all that was given for the segment before, is on the disk */
export function waitingFor(
  segment: Segment,
  start: number,
  pieces: readonly Buffer[],
): { waiting: Waiting; stored: Promise<void> } {
  let waiter: Waiting['waiter']
  const stored = new Promise<void>((resolve, failed) => {
    waiter = { stored: resolve, failed }
  })
  return { waiting: { segment, start, pieces, waiter, note: undefined }, stored }
}

export class Batches {
  #last: Segment | undefined

  /** All that wait for one segment, the first at `start`: on the disk, unless nobody waits for that. */
  async write(segment: Segment, start: number, batch: readonly Waiting[]): Promise<void> {
    // What comes now may be about what is noted in the segment before.
    if (this.#last !== segment) await this.#last?.settle()
    this.#last = segment
    const pieces = batch.flatMap((waiting) => waiting.pieces)
    await segment.write(pieces, start)
    const end = start + pieces.reduce((sum, { length }) => sum + length, 0)
    if (batch.some(({ waiter }) => waiter !== undefined)) await segment.sync(end)
  }
}
