import type { RemoteContent } from '../remote-files.js'
import type { Budget } from './budget.js'

/** The first window of a sequential reader; it doubles with every read that goes on where the last one ended. */
const FIRST_WINDOW = 256 << 10
const LAST_WINDOW = 16 << 20
/** One request fetches this much at most, so that several are under way. */
const SEGMENT_BYTES = 2 << 20
/** The kernel's own read-ahead asks out of order, but not further apart than this. */
const NEAR_BYTES = 1 << 20

interface Segment {
  readonly offset: number
  readonly length: number
  readonly data: Promise<Buffer>
}

/**
 * Reads ahead of one open file: ranges fetched before the program asks, within a window that grows while it reads on and
 * collapses when it jumps.
 */
export class ReadAhead {
  readonly #fetch: (offset: number, length: number) => Promise<RemoteContent>
  readonly #budget: Budget
  #segments: Segment[] = []
  #window = 0
  /** Where a sequential reader reads next. */
  #next = 0

  constructor(fetch: (offset: number, length: number) => Promise<RemoteContent>, budget: Budget) {
    this.#fetch = fetch
    this.#budget = budget
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { length }) => sum + length, 0)
  }

  /** @param size of the file as far as is known: nothing is read ahead beyond */
  async read(offset: number, length: number, size: number | undefined): Promise<Buffer> {
    const end = offset + length
    const isSequential = Math.abs(offset - this.#next) <= NEAR_BYTES
    if (!isSequential) this.drop()
    else if (offset > 0) this.#window = Math.min(LAST_WINDOW, this.#window * 2 || FIRST_WINDOW)
    this.#next = isSequential ? Math.max(this.#next, end) : end
    const planned = this.#plan(offset, end)
    if (isSequential && offset > 0) this.#extend(end, size ?? 0)
    this.#release(Math.min(offset, this.#next - NEAR_BYTES))
    return joined(planned, offset, end)
  }

  /** What was fetched is no longer the file's, or its memory is needed elsewhere. */
  drop(): void {
    this.#budget.give(this.bytes)
    this.#segments = []
    this.#window = 0
  }

  /** The segments that give the range; what no segment has is fetched by itself. */
  #plan(offset: number, end: number): Segment[] {
    const planned: Segment[] = []
    let at = offset
    for (const segment of this.#segments) {
      if (segment.offset >= end) break
      if (segment.offset + segment.length <= at) continue
      if (segment.offset > at) planned.push(this.#segment(at, segment.offset - at))
      planned.push(segment)
      at = segment.offset + segment.length
    }
    if (at < end) planned.push(this.#segment(at, end - at))
    return planned
  }

  /** Starts what is missing of the window, as far as there is memory. */
  #extend(from: number, size: number): void {
    const last = this.#segments.at(-1)
    let at = Math.max(from, last === undefined ? 0 : last.offset + last.length)
    const end = Math.min(from + this.#window, size)
    // Not in crumbs: a new request once a good part of the window is free.
    const step = Math.min(SEGMENT_BYTES, Math.max(FIRST_WINDOW / 2, this.#window / 4))
    while (at < end && (end - at >= step || end === size)) {
      const length = Math.min(step, end - at)
      if (!this.#budget.tryTake(length)) return
      this.#segments.push(this.#segment(at, length))
      at += length
    }
  }

  #segment(offset: number, length: number): Segment {
    const data = this.#fetch(offset, length).then((content) => content.data)
    data.catch(() => this.#discard(data))
    return { offset, length, data }
  }

  /** A range that could not be fetched is not kept: the next read asks again. */
  #discard(data: Promise<Buffer>): void {
    const failed = this.#segments.find((segment) => segment.data === data)
    if (failed === undefined) return
    this.#segments = this.#segments.filter((segment) => segment !== failed)
    this.#budget.give(failed.length)
  }

  /** Gives back what lies wholly before an offset. */
  #release(before: number): void {
    const kept = this.#segments.filter(({ offset, length }) => offset + length > before)
    if (kept.length === this.#segments.length) return
    const held = this.bytes
    this.#segments = kept
    this.#budget.give(held - this.bytes)
  }
}

/** The bytes from offset to end; fewer if the file turned out shorter. */
async function joined(segments: readonly Segment[], offset: number, end: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (const segment of segments) {
    const data = await segment.data
    const from = Math.max(0, offset - segment.offset)
    const to = Math.min(data.length, end - segment.offset)
    if (from < to) pieces.push(data.subarray(from, to))
    if (data.length < segment.length) break
  }
  const [first] = pieces
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces)
}
