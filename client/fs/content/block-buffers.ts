import { SpareBuffers } from '../../spare-buffers.js'

/** Bytes written and not yet on the server are held in blocks of this size. */
export const BLOCK_BYTES = 128 << 10
/** As many as one long file has under way; more would keep memory that nobody needs. */
const MOST_SPARE = (24 << 20) / BLOCK_BYTES

/**
 * Memory of blocks, used again: a fresh buffer for each would have the garbage collector run all the time, for it counts
 * every byte that buffers ever took.
 */
export class BlockBuffers {
  readonly #spare = new SpareBuffers(MOST_SPARE)

  /** At least so many bytes. What was in them before is still there. */
  take(bytes: number): Buffer {
    if (bytes <= BLOCK_BYTES / 2) return Buffer.allocUnsafeSlow(bytes)
    return this.#spare.take() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
  }

  /** Nobody has a view of it any more. */
  give(buffer: Buffer): void {
    if (buffer.length === BLOCK_BYTES) this.#spare.give(buffer)
  }
}
