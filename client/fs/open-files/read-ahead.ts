import type { Context } from '../../fuse/filesystem.js'
import type { RemoteContent } from '../../remote/remote-files.js'
import type { AheadMemory, Holder } from './ahead-memory.js'
import { ReadingCourse } from './reading-course.js'

/**
 * The first window of a sequential reader; it doubles with every read that goes on where the last one ended, and is at least
 * twice what was read: over a long way each step of its growth is a wait.
 */
const FIRST_WINDOW = 256 << 10
const LAST_WINDOW = 16 << 20
/** One request fetches this much at most, so that several are under way. */
const SEGMENT_BYTES = 4 << 20
/** Of a file that one request fetches, who has read one part in so many here and there gets the rest: that costs about as much. */
const PART_OF_WHOLE = 16
/** What nobody needs any more may still come for so long: to stop it costs its connection. */
const NEEDLESS_MILLISECONDS = 250

/** Reads from the server, until the signal says that nobody needs it. */
type Fetch = (offset: number, length: number, signal?: AbortSignal) => Promise<RemoteContent>

/** A range that is fetched. Its memory goes back, or it is fetched no further, once nobody keeps it and nobody reads from it. */
class Segment {
  readonly offset: number
  readonly length: number
  readonly content: Promise<RemoteContent>
  /** Until it is here. */
  #stop: AbortController | undefined
  #readers = 0
  #isKept: boolean

  constructor(
    { offset, length }: { offset: number; length: number },
    fetch: Fetch,
    whose: 'kept' | 'of one reader',
  ) {
    this.offset = offset
    this.length = length
    this.#isKept = whose === 'kept'
    this.#stop = this.#isKept ? new AbortController() : undefined
    this.content = fetch(offset, length, this.#stop?.signal)
    if (!this.#isKept) return
    const isThere = () => {
      this.#stop = undefined
    }
    this.content.then(isThere, isThere)
  }

  /** Somebody reads from it until the reader says that it is over; a reader who cannot has it for ever. */
  readBy(reader: Pick<Context, 'afterwards'>): void {
    this.#readers += 1
    reader.afterwards?.(() => {
      this.#readers -= 1
      this.#giveBack()
    })
  }

  drop(): void {
    this.#isKept = false
    this.#giveBack()
  }

  #giveBack(): void {
    if (this.#isKept || this.#readers > 0) return
    const stop = this.#stop
    this.#stop = undefined
    const timer = stop && setTimeout(() => stop.abort(), NEEDLESS_MILLISECONDS)
    this.content.then(
      (content) => {
        clearTimeout(timer)
        content.release?.()
      },
      () => clearTimeout(timer),
    )
  }
}

/**
 * Reads ahead of one open file: ranges fetched before the program asks, within a window that grows while it reads on and
 * collapses when it jumps; or the whole of a small file for who reads it here and there.
 */
export class ReadAhead implements Holder {
  readonly #fetch: Fetch
  readonly #memory: AheadMemory
  #segments: Segment[] = []
  #window = 0
  readonly #course = new ReadingCourse()
  /** Bytes that were read here and there. */
  #scattered = 0
  /** All of the file, once it is wanted: until it is here, who reads asks for what it needs. */
  #whole: Segment | undefined
  /** Reads that wait for what is on its way. */
  #waiting = 0

  constructor(fetch: Fetch, memory: AheadMemory) {
    this.#fetch = fetch
    this.#memory = memory
  }

  get bytes(): number {
    const coming = this.#isWholeHere ? 0 : (this.#whole?.length ?? 0)
    return this.#segments.reduce((sum, { length }) => sum + length, coming)
  }

  /** @param size of the file as far as is known: nothing is read ahead beyond */
  async read(
    offset: number,
    length: number,
    size: number | undefined,
    reader: Pick<Context, 'afterwards'>,
  ): Promise<Buffer> {
    const end = offset + length
    this.#memory.isUsed(this)
    const step = this.#course.step(offset, length)
    if (step === 'elsewhere' && !this.#isWholeHere) this.#jumped(length, size)
    if (step === 'on') this.#grow()
    const planned = this.#plan(offset, end, size)
    for (const segment of planned) segment.readBy(reader)
    if (step === 'on') this.#extend(end, size ?? 0)
    if (!this.#isWholeHere) this.#release(Math.min(offset, this.#course.behind))
    this.#waiting += 1
    try {
      return await joined(planned, offset, end)
    } finally {
      this.#waiting -= 1
    }
  }

  get isBusy(): boolean {
    return this.#waiting > 0
  }

  /** What was fetched is no longer the file's, or its memory is needed elsewhere. */
  drop(): void {
    this.#giveUpWhole()
    this.#collapse()
    this.#scattered = 0
  }

  #collapse(): void {
    this.#memory.give(this, this.bytes - (this.#whole?.length ?? 0))
    for (const segment of this.#segments) segment.drop()
    this.#segments = []
    this.#window = 0
  }

  get #isWholeHere(): boolean {
    return this.#whole !== undefined && this.#segments[0] === this.#whole
  }

  #jumped(length: number, size: number | undefined): void {
    this.#collapse()
    this.#scattered += length
    if (this.#whole !== undefined || size === undefined || size > SEGMENT_BYTES) return
    if (this.#scattered * PART_OF_WHOLE >= size) this.#fetchWhole(size)
  }

  #fetchWhole(size: number): void {
    if (!this.#memory.tryTake(this, size)) return
    const whole = new Segment({ offset: 0, length: size }, this.#fetch, 'kept')
    this.#whole = whole
    whole.content.then(
      () => {
        if (this.#whole !== whole) return
        this.#collapse()
        this.#segments = [whole]
      },
      () => {
        if (this.#whole !== whole) return
        this.#giveUpWhole()
        this.#scattered = 0
      },
    )
  }

  #giveUpWhole(): void {
    const whole = this.#whole
    if (whole === undefined) return
    this.#segments = this.#segments.filter((segment) => segment !== whole)
    this.#whole = undefined
    this.#memory.give(this, whole.length)
    whole.drop()
  }

  #grow(): void {
    const read = this.#course.length
    this.#window = Math.min(LAST_WINDOW, Math.max(FIRST_WINDOW, 2 * this.#window, 2 * read))
  }

  /**
   * The segments that give the range; what no segment has is fetched by itself. The kernel asks for whole pages: what is
   * beyond the end of a file whose last bytes are here is asked of nobody.
   */
  #plan(offset: number, end: number, size: number | undefined): Segment[] {
    const planned: Segment[] = []
    let at = offset
    for (const segment of this.#segments) {
      if (segment.offset >= end) break
      if (segment.offset + segment.length <= at) continue
      if (segment.offset > at) planned.push(this.#segment(at, segment.offset - at, 'of one reader'))
      planned.push(segment)
      at = segment.offset + segment.length
    }
    const isEnd = planned.length > 0 && at === size
    if (at < end && !isEnd) planned.push(this.#segment(at, end - at, 'of one reader'))
    return planned
  }

  /** Starts what is missing of the window, as far as there is memory. */
  #extend(from: number, size: number): void {
    const last = this.#segments.at(-1)
    let at = Math.max(from, last === undefined ? 0 : last.offset + last.length)
    const end = Math.min(from + this.#window, size)
    // Not in crumbs: a new request once a good part of the window is free.
    const step = Math.min(SEGMENT_BYTES, Math.max(FIRST_WINDOW / 2, this.#window / 4))
    // They end where reads of the kernel end, so that few are put together from two.
    for (let to = at; at < end; at = to) {
      to = Math.min(at + step - (at % step), end)
      if (to % step !== 0 && to !== size) return
      const length = to - at
      if (!this.#memory.tryTake(this, length)) return
      this.#segments.push(this.#segment(at, length, 'kept'))
    }
  }

  #segment(offset: number, length: number, whose: 'kept' | 'of one reader'): Segment {
    const segment = new Segment({ offset, length }, this.#fetch, whose)
    segment.content.catch(() => this.#discard(segment))
    return segment
  }

  /** A range that could not be fetched is not kept: the next read asks again. */
  #discard(failed: Segment): void {
    if (!this.#segments.includes(failed)) return
    this.#segments = this.#segments.filter((segment) => segment !== failed)
    this.#memory.give(this, failed.length)
  }

  /** Gives back what lies wholly before an offset. */
  #release(before: number): void {
    const kept = this.#segments.filter(({ offset, length }) => offset + length > before)
    if (kept.length === this.#segments.length) return
    const held = this.bytes
    for (const segment of this.#segments) if (!kept.includes(segment)) segment.drop()
    this.#segments = kept
    this.#memory.give(this, held - this.bytes)
  }
}

/** The bytes from offset to end; fewer if the file turned out shorter. */
async function joined(segments: readonly Segment[], offset: number, end: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (const segment of segments) {
    const { data } = await segment.content
    const from = Math.max(0, offset - segment.offset)
    const to = Math.min(data.length, end - segment.offset)
    if (from < to) pieces.push(data.subarray(from, to))
    if (data.length < segment.length) break
  }
  const [first] = pieces
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces)
}
