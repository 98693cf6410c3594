import { BLOCK_BYTES, type BlockBuffers } from './block-buffers.js'

/** Bytes and where in the file they belong. */
export interface WrittenPiece {
  readonly offset: number
  readonly data: Buffer
}

type Interval = readonly [from: number, to: number]

const NOTHING = Buffer.alloc(0)

/** Written pieces of one block of a file. Its buffer grows with what is written. */
export class DirtyBlock {
  readonly index: number
  readonly #buffers: BlockBuffers
  #data: Buffer = NOTHING
  #intervals: Interval[] = []

  constructor(index: number, buffers: BlockBuffers) {
    this.index = index
    this.#buffers = buffers
  }

  get start(): number {
    return this.index * BLOCK_BYTES
  }

  /** Memory held. */
  get capacity(): number {
    return this.#data.length
  }

  get isFull(): boolean {
    const [first] = this.#intervals
    return first !== undefined && first[0] === 0 && first[1] === BLOCK_BYTES
  }

  /** Offset in the file after the last written byte. */
  get end(): number {
    return this.start + (this.#intervals.at(-1)?.[1] ?? 0)
  }

  write(at: number, data: Buffer): void {
    const to = at + data.length
    this.#grow(to)
    data.copy(this.#data, at)
    this.#add(at, to)
  }

  /** Its bytes are not needed any more, nor are views of them. */
  release(): void {
    this.#buffers.give(this.#data)
    this.#data = NOTHING
    this.#intervals = []
  }

  /** Takes over what an older block of the same place has and this one does not. */
  under(older: DirtyBlock): void {
    const newer = this.pieces().map(({ offset, data }) => [offset, Buffer.from(data)] as const)
    for (const { offset, data } of older.pieces()) this.write(offset - this.start, data)
    for (const [offset, data] of newer) this.write(offset - this.start, data)
    older.release()
  }

  /** The written pieces, as views. */
  pieces(): WrittenPiece[] {
    return this.#intervals.map(([from, to]) => ({
      offset: this.start + from,
      data: this.#data.subarray(from, to),
    }))
  }

  /** Up to where a file that is written up to `offset` is written with this block, too. */
  coveredFrom(offset: number): number {
    let reached = offset
    for (const [from, to] of this.#intervals) {
      if (this.start + from > reached) break
      reached = Math.max(reached, this.start + to)
    }
    return reached
  }

  #grow(bytes: number): void {
    if (bytes <= this.#data.length) return
    const grown = this.#buffers.take(Math.max(bytes, this.#data.length * 2))
    this.#data.copy(grown)
    this.#buffers.give(this.#data)
    this.#data = grown
  }

  #add(from: number, to: number): void {
    const last = this.#intervals.at(-1)
    if (last === undefined) {
      this.#intervals.push([from, to])
      return
    }
    if (from >= last[0] && from <= last[1]) {
      this.#intervals[this.#intervals.length - 1] = [last[0], Math.max(last[1], to)]
      return
    }
    const apart = this.#intervals.filter(([a, b]) => b < from || a > to)
    const touching = this.#intervals.filter(([a, b]) => b >= from && a <= to)
    const merged: Interval = [
      Math.min(from, ...touching.map(([a]) => a)),
      Math.max(to, ...touching.map(([, b]) => b)),
    ]
    this.#intervals = [...apart, merged].sort(([a], [b]) => a - b)
  }
}

/** All written pieces of one file, so that many small writes cost no more than their bytes. */
export class DirtyBlocks {
  readonly #buffers: BlockBuffers
  readonly #blocks = new Map<number, DirtyBlock>()

  constructor(buffers: BlockBuffers) {
    this.#buffers = buffers
  }

  get isEmpty(): boolean {
    return this.#blocks.size === 0
  }

  get bytes(): number {
    let bytes = 0
    for (const block of this.#blocks.values()) bytes += block.capacity
    return bytes
  }

  get blockCount(): number {
    return this.#blocks.size
  }

  /** @returns by how much the memory held grew */
  write(offset: number, data: Buffer): number {
    let grown = 0
    for (let done = 0; done < data.length; ) {
      const index = Math.floor((offset + done) / BLOCK_BYTES)
      const at = offset + done - index * BLOCK_BYTES
      const length = Math.min(BLOCK_BYTES - at, data.length - done)
      const block = this.#blocks.get(index) ?? new DirtyBlock(index, this.#buffers)
      const before = block.capacity
      block.write(at, data.subarray(done, done + length))
      this.#blocks.set(index, block)
      grown += block.capacity - before
      done += length
    }
    return grown
  }

  /** The blocks that touch a range, to lay over what the server has. */
  within(offset: number, length: number): DirtyBlock[] {
    const found: DirtyBlock[] = []
    const last = Math.floor((offset + length - 1) / BLOCK_BYTES)
    for (let index = Math.floor(offset / BLOCK_BYTES); index <= last; index++) {
      const block = this.#blocks.get(index)
      if (block !== undefined) found.push(block)
    }
    return found
  }

  /** In the order of the file. */
  sorted(): DirtyBlock[] {
    const blocks = [...this.#blocks.values()]
    return blocks.length > 1 ? blocks.sort((a, b) => a.index - b.index) : blocks
  }

  remove(block: DirtyBlock): void {
    this.#blocks.delete(block.index)
  }

  /** Gives back a block that could not be sent; what was written since lies over it. @returns by how much memory changed */
  putBack(block: DirtyBlock): number {
    const newer = this.#blocks.get(block.index)
    if (newer === undefined) {
      this.#blocks.set(block.index, block)
      return 0
    }
    const before = newer.capacity + block.capacity
    newer.under(block)
    return newer.capacity - before
  }

  clear(): void {
    for (const block of this.#blocks.values()) block.release()
    this.#blocks.clear()
  }
}

/** The written pieces of blocks, as views: they hold until a block is released. */
export function pieces(blocks: readonly DirtyBlock[]): WrittenPiece[] {
  return blocks.flatMap((block) => block.pieces())
}

/** Lays written pieces over a buffer that stands at `offset` of the file. */
export function overlay(written: readonly WrittenPiece[], target: Buffer, offset: number): void {
  for (const { offset: start, data } of written) {
    const from = Math.max(start, offset)
    const to = Math.min(start + data.length, offset + target.length)
    if (from < to) data.copy(target, from - offset, from - start, to - start)
  }
}

/** Whether written pieces alone cover a range. */
export function covers(blocks: readonly DirtyBlock[], offset: number, length: number): boolean {
  let reached = offset
  for (const block of blocks) reached = block.coveredFrom(reached)
  return reached >= offset + length
}
