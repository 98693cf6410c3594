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

/** All that wait for one segment, the first at `start`: on the disk, unless nobody waits for that. */
export async function writeBatch(
  segment: Segment,
  start: number,
  batch: readonly Waiting[],
): Promise<void> {
  const pieces = batch.flatMap((waiting) => waiting.pieces)
  await segment.write(pieces, start)
  const end = start + pieces.reduce((sum, { length }) => sum + length, 0)
  if (batch.some(({ waiter }) => waiter !== undefined)) await segment.sync(end)
}
