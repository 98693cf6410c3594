import { join } from 'node:path'
import type { JournalRecord } from './record.js'
import type { Reserve } from './reserve.js'
import { Segment, syncDirectory } from './segment.js'

const SEGMENT_BYTES = 64 << 20

/** The segments of a journal in a row, the oldest first, and the room that is kept for notes. */
export class Segments {
  readonly #directory: string
  readonly #limitBytes: number
  readonly #segmentBytes: number
  readonly #reserve: Reserve
  #all: Segment[]
  #next: number
  /** Where the next record will stand. */
  #current: Segment | undefined
  /** What the reserve has become since the last change was taken. */
  #reserved: Segment | undefined
  #hasRemoved = false

  constructor(
    directory: string,
    limitBytes: number,
    reserve: Reserve,
    found: { readonly segments: readonly Segment[]; readonly nextSegment: number },
  ) {
    this.#directory = directory
    this.#limitBytes = limitBytes
    this.#segmentBytes = Math.min(SEGMENT_BYTES, Math.ceil(limitBytes / 4))
    this.#reserve = reserve
    this.#all = [...found.segments]
    this.#next = found.nextSegment
  }

  get isDamaged(): boolean {
    return this.#all.some(({ isDamaged }) => isDamaged)
  }

  /** Those to which something was written that loss of power may take. */
  unsynced(): Segment[] {
    return this.#all.filter((segment) => segment.isUnsynced)
  }

  hasRoom(bytes: number): boolean {
    const taken = this.#all.reduce((sum, segment) => sum + segment.bytes, this.#reserve.bytes)
    return taken + bytes <= this.#limitBytes
  }

  /** Where a record is to stand. */
  for(record: JournalRecord, dataLength: number): Segment {
    if (this.#current?.takes(record, dataLength, this.#segmentBytes)) return this.#current
    return this.#begun(Segment.fresh(this.#nextPath()))
  }

  /** A change is taken only if there is room to say that it is done. @throws Error if there is none */
  async keepReserve(): Promise<void> {
    await this.#reserve.keep()
  }

  /** Of a change that stands in a later segment the one that was reserved before it can say nothing. */
  tookChange(): void {
    this.#reserved = undefined
  }

  /** Nothing more is written to this segment. */
  giveUp(segment: Segment): void {
    if (this.#reserved === segment) this.#reserved = undefined
    if (this.#current === segment) this.#current = this.#reserved
  }

  /** Whether notes can be written where room was kept for them, which is then the current segment. */
  async useReserve(): Promise<boolean> {
    if (this.#reserved?.hasRoom) return true
    const segment = this.#reserve.asSegment(this.#nextPath())
    if (segment === undefined) return false
    this.#reserved = this.#begun(segment)
    await segment.begin().catch(() => {}) // whoever writes to it finds out again
    return true
  }

  /**
   * Removes what is done, the oldest first: what says that a change is done must outlive the change.
   * @param isAwaited whether something is still to be written to a segment
   * @param written resolves once what is being written is
   */
  async trim(isAwaited: (segment: Segment) => boolean, written: () => Promise<void>) {
    for (;;) {
      const [oldest] = this.#all
      if (oldest === undefined || oldest.live.size > 0) break
      if (oldest === this.#current) {
        const isWorthKeeping = !oldest.isReserved && oldest.size < this.#segmentBytes / 4
        if (isAwaited(oldest) || isWorthKeeping) break
        this.#current = undefined
      }
      if (oldest === this.#reserved) this.#reserved = undefined
      this.#all = this.#all.filter((segment) => segment !== oldest)
      await written()
      await oldest.remove()
      this.#hasRemoved = true
    }
  }

  /** Resolves once loss of power brings back none that was removed, with changes that something in it says are done. */
  async removedForGood(): Promise<void> {
    if (!this.#hasRemoved) return
    this.#hasRemoved = false
    await syncDirectory(this.#directory).catch(() => {}) // a disk that takes nothing
  }

  async close(): Promise<void> {
    for (const segment of this.#all) await segment.close()
  }

  async remove(): Promise<void> {
    for (const segment of this.#all) await segment.remove()
    await this.#reserve.remove()
  }

  #begun(segment: Segment): Segment {
    this.#all.push(segment)
    this.#current = segment
    return segment
  }

  #nextPath(): string {
    return join(this.#directory, `${String(this.#next++).padStart(6, '0')}.journal`)
  }
}
