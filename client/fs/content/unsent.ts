import type { BlockBuffers } from './block-buffers.js'
import type { Budget } from './budget.js'
import { covers, type DirtyBlock, DirtyBlocks } from './dirty-blocks.js'

/** Blocks that travel together. */
export interface Batch {
  readonly written: readonly DirtyBlock[]
  readonly appended: readonly DirtyBlock[]
}

/**
 * Bytes of one file that are not yet on the server: at offsets, to be appended, and on their way. What is on its way is
 * never changed; a write over it goes to a new block, which waits until the older one has arrived.
 */
export class Unsent {
  readonly #budget: Budget
  readonly #written: DirtyBlocks
  readonly #appended: DirtyBlocks
  readonly #sending = new Set<DirtyBlock>()
  #isAppending = false

  constructor(budget: Budget, buffers: BlockBuffers) {
    this.#budget = budget
    this.#written = new DirtyBlocks(buffers)
    this.#appended = new DirtyBlocks(buffers)
  }

  /** Everything was sent and has arrived. */
  get isEmpty(): boolean {
    return this.hasSentAll && this.#sending.size === 0
  }

  /** Nothing is left that is not at least on its way. */
  get hasSentAll(): boolean {
    return this.#written.isEmpty && this.#appended.isEmpty
  }

  get hasAppended(): boolean {
    return this.#isAppending || !this.#appended.isEmpty
  }

  get waitingBytes(): number {
    return this.#written.bytes + this.#appended.bytes
  }

  get bytes(): number {
    let bytes = this.waitingBytes
    for (const block of this.#sending) bytes += block.capacity
    return bytes
  }

  write(offset: number, data: Buffer): void {
    this.#budget.take(this.#written.write(offset, data))
  }

  /** `end`: where the end of the file is as far as we know, so that readers here see the bytes there. */
  append(end: number, data: Buffer): void {
    this.#budget.take(this.#appended.write(end, data))
  }

  /** All pieces over a range, older ones first. */
  over(offset: number, length: number): DirtyBlock[] {
    const sending = [...this.#sending].filter(
      (block) => block.start < offset + length && block.end > offset,
    )
    sending.sort((a, b) => a.index - b.index)
    return [
      ...sending,
      ...this.#written.within(offset, length),
      ...this.#appended.within(offset, length),
    ]
  }

  /** Whether what waits is, without a gap, all of a file of this size. */
  isAllOf(size: number): boolean {
    return covers([...this.#written.sorted(), ...this.#appended.sorted()], 0, size)
  }

  /**
   * The next blocks to send, in order, as many as a request carries; from here on they are on their way. Only one batch of
   * appended blocks at a time, and none before what was written at offsets.
   */
  take(which: 'all' | 'full blocks', bytes: number): Batch {
    const underWay = new Set([...this.#sending].map((block) => block.index))
    const written: DirtyBlock[] = []
    const appended: DirtyBlock[] = []
    let room = bytes
    for (const block of this.#written.sorted()) {
      if (room <= 0) break
      if (underWay.has(block.index) || (which === 'full blocks' && !block.isFull)) continue
      written.push(block)
      room -= block.capacity
    }
    const isLast = written.length === this.#written.blockCount
    const mayAppend = which === 'all' && isLast && !this.#isAppending
    for (const block of mayAppend ? this.#appended.sorted() : []) {
      if (room <= 0) break
      appended.push(block)
      room -= block.capacity
    }
    for (const block of written) this.#written.remove(block)
    for (const block of appended) this.#appended.remove(block)
    for (const block of [...written, ...appended]) this.#sending.add(block)
    if (appended.length > 0) this.#isAppending = true
    return { written, appended }
  }

  /** The batch has arrived, and nobody sends its bytes any more. */
  arrived({ written, appended }: Batch): void {
    if (appended.length > 0) this.#isAppending = false
    for (const block of [...written, ...appended]) {
      if (!this.#sending.delete(block)) continue
      this.#budget.give(block.capacity)
      block.release()
    }
  }

  /** The batch was refused or lost: it waits again, under what was written since. */
  putBack({ written, appended }: Batch): void {
    if (appended.length > 0) this.#isAppending = false
    for (const block of [...written, ...appended]) this.#sending.delete(block)
    for (const block of written) this.#budget.take(this.#written.putBack(block))
    for (const block of appended) this.#budget.take(this.#appended.putBack(block))
  }

  /** Drops what waits. */
  clear(): void {
    this.#budget.give(this.waitingBytes)
    this.#written.clear()
    this.#appended.clear()
  }
}

export function isEmptyBatch({ written, appended }: Batch): boolean {
  return written.length + appended.length === 0
}
