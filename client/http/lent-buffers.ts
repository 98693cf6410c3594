import { SpareBuffers } from '../spare-buffers.js'

/** Memory for one long answer. */
export const LENT_BYTES = 4 << 20
const MOST_SPARE = 6

/** Bytes in memory that somebody else uses next. */
export interface Lent {
  readonly data: Buffer
  /** Nobody has a view of the data any more. Who never calls it leaves the memory to the garbage collector. */
  release?(): void
}

/**
 * Memory of long answers, used again: the garbage collector counts every byte that buffers ever took, and would run for
 * each few answers.
 */
export class LentBuffers {
  readonly #spare = new SpareBuffers(MOST_SPARE)

  /** What was in it before is still there. */
  take(bytes: number): Lent {
    if (bytes > LENT_BYTES || bytes < LENT_BYTES / 2) return { data: Buffer.allocUnsafeSlow(bytes) }
    const whole = this.#spare.take() ?? Buffer.allocUnsafeSlow(LENT_BYTES)
    let isLent = true
    return {
      data: whole.subarray(0, bytes),
      release: () => {
        if (isLent) this.#spare.give(whole)
        isLent = false
      },
    }
  }
}
