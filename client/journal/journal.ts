import { join } from 'node:path'
import { privateDirectory } from '../atomic-file.js'
import { briefly, TooLate } from '../briefly.js'
import { type FileLock, lockFile } from '../file-lock.js'
import { type Recovered, type RecoveryNews, recover } from './earlier-run.js'
import { Keeping } from './keeping.js'
import { PlacedChanges } from './placed-changes.js'
import {
  type Change,
  checksum,
  encodeRecord,
  type JournalRecord,
  type Note,
  type Seen,
} from './record.js'
import { Reserve } from './reserve.js'
import { JournalData, type Segment } from './segment.js'
import { Segments } from './segments.js'
import { Batches, type Waiting, waitingFor } from './waiting.js'

export interface JournalOptions extends RecoveryNews {
  /** What the journal may take on the disk. */
  readonly limitBytes: number
  /** How long its disk may take; tests have less time. */
  readonly patienceMilliseconds?: number
}

const LOCK = 'lock'
/** How long a disk that took no notes is left alone, unless it takes a change before. */
const RETRY_MILLISECONDS = 5000
/** Longer than a disk takes that works, however busy it is. */
const PATIENCE_MILLISECONDS = 30_000

/** What is written and not yet on the server, on the local disk (docs/write-back.md). */
export class Journal {
  readonly directory: string
  readonly recovered: readonly Recovered[]
  /** What became of changes of an earlier run. */
  readonly notes: readonly Note[]
  readonly #lock: FileLock
  readonly #patience: number
  readonly #segments: Segments
  readonly #places = new PlacedChanges()
  readonly #keeping = new Keeping()
  readonly #batches = new Batches()
  #queue: Waiting[] = []
  /** Notes that the disk did not take, in their order: what they say would be found out again after a crash, if it still can be. */
  #owed: Note[] = []
  #retry: NodeJS.Timeout | undefined
  #isClosed = false
  #isHanging = false
  #writing: Promise<void> = Promise.resolve()
  #trimming: Promise<void> = Promise.resolve()
  /** What the disk took too long for is done with. */
  #takenBack: Promise<void> = Promise.resolve()
  #nextId: number

  private constructor(
    directory: string,
    lock: FileLock,
    segments: Segments,
    found: Awaited<ReturnType<typeof recover>>,
    patience = PATIENCE_MILLISECONDS,
  ) {
    this.#patience = patience
    this.directory = directory
    this.#lock = lock
    this.#segments = segments
    this.#nextId = found.nextId
    this.recovered = found.recovered
    this.notes = found.notes
    for (const { segment, change } of found.recovered) this.#places.add(change, segment)
  }

  /** @returns undefined if another mount has it */
  static async open(directory: string, options: JournalOptions): Promise<Journal | undefined> {
    await privateDirectory(directory)
    const lock = await lockFile(join(directory, LOCK))
    if (lock === undefined) return undefined
    let found: Awaited<ReturnType<typeof recover>> | undefined
    try {
      found = await recover(directory, options)
      const reserve = await Reserve.of(directory, options.limitBytes)
      // Where nothing waits there is nothing to note: the first change takes the room again.
      await (found.recovered.length > 0 ? reserve.begin() : reserve.remove())
      const segments = new Segments(directory, options.limitBytes, reserve, found)
      const journal = new Journal(directory, lock, segments, found, options.patienceMilliseconds)
      await journal.#trim()
      return journal
    } catch (error) {
      for (const segment of found?.segments ?? []) await segment.close()
      await lock.release()
      throw error
    }
  }

  /** Changes may be missing between those that were found. */
  get isDamaged(): boolean {
    return this.#segments.isDamaged
  }

  get isEmpty(): boolean {
    return this.#places.isEmpty
  }

  /** Its disk does not answer: it takes no changes. */
  get isHanging(): boolean {
    return this.#isHanging
  }

  hasRoom(bytes: number): boolean {
    return this.#segments.hasRoom(bytes)
  }

  nextId(): number {
    return this.#nextId++
  }

  /** @returns `stored` resolves once the change survives loss of power */
  append(change: Change, content: readonly Buffer[]): { data: JournalData; stored: Promise<void> } {
    const { segment, start, pieces } = this.#placed(change, content)
    this.#places.add(change, segment)
    const offset = start + (pieces[0]?.length ?? 0)
    const data = new JournalData({ segment, offset, checksum: checksum(content) }, content)
    const { waiting, stored } = waitingFor(segment, start, pieces)
    stored.then(
      () => data.isStored(),
      () => this.#places.forget(change.id),
    )
    this.#queue.push(waiting)
    this.#write()
    return { data, stored }
  }

  /** Resolves once the note survives loss of power, unless the disk takes none: it cannot be found out again. */
  async keep(note: Note): Promise<void> {
    this.note(note)
    this.#keeping.owe()
    await this.kept()
  }

  /** Resolves once it survives loss of power what programs have taken back, unless the disk takes nothing: while it hangs all stays. */
  kept(): Promise<void> {
    return this.#keeping.kept(async () => {
      const unsynced = this.#isClosed ? [] : this.#segments.unsynced()
      const synced = unsynced.map((segment) => {
        const { waiting, stored } = waitingFor(segment, segment.size, [])
        this.#queue.push(waiting)
        this.#write()
        return stored
      })
      await Promise.allSettled(synced)
      const removed = this.#trimming.then(() => this.#segments.removedForGood())
      if (!this.#isHanging) await briefly(removed, this.#patience).catch(() => {})
    })
  }

  /** If it is lost with the power, it is found out again. */
  note(note: Note): void {
    if (this.#isClosed) return
    if (note.kind === 'nameless') this.#keeping.owe()
    this.#owed.push(note)
    if (this.#retry === undefined && !this.#isHanging) this.#writeNotes()
  }

  #writeNotes(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    for (const note of this.#owed.splice(0)) {
      const { segment, start, pieces } = this.#placed(note, [])
      this.#queue.push({ segment, start, pieces, waiter: undefined, note })
      this.#write()
    }
  }

  /** A change is no longer wanted, as programs have done something else instead, which nobody but the journal knows. */
  takenBack(id: number): void {
    this.#keeping.owe()
    this.done(id)
  }

  /** A change is on the server, or no longer wanted. */
  done(id: number, seen?: Seen): void {
    const ino = this.#places.inoOf(id)
    if (ino === undefined || this.#isClosed) return
    this.note({ kind: 'done', of: id, ino, ...(seen === undefined ? {} : { seen }) })
    this.#places.forget(id)
    void this.#trim()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#writing // what of it fails is owed
    if (!this.#isHanging) this.#writeNotes()
    await this.#writing
    clearTimeout(this.#retry)
    await this.#takenBack
    await this.#trimming
    await (this.isEmpty ? this.#segments.remove() : this.#segments.close())
    await this.#lock.release()
  }

  #placed(record: JournalRecord, content: readonly Buffer[]) {
    const length = content.reduce((sum, piece) => sum + piece.length, 0)
    const segment = this.#segments.for(record, length)
    const head = encodeRecord(record, content, segment)
    const start = segment.size
    segment.size += head.length + length
    return { segment, start, pieces: [head, ...content] }
  }

  #write(): void {
    if (this.#queue.length > 1) return
    this.#writing = this.#writing.then(() => this.#writeAll())
  }

  /** Everybody who came meanwhile shares the next fdatasync. */
  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const [first] = this.#queue
      if (first === undefined) return
      if (this.#isHanging) return this.#refuse(new TooLate(`${this.directory}: the disk hangs`))
      const batch = this.#queue.filter(({ segment }) => segment === first.segment)
      this.#queue = this.#queue.filter(({ segment }) => segment !== first.segment)
      const written = this.#writeBatch(first.segment, first.start, batch)
      try {
        await briefly(written, this.#patience)
        for (const { waiter } of batch) waiter?.stored()
        if (this.#retry !== undefined) this.#writeNotes()
      } catch (error) {
        if (error instanceof TooLate) this.#hangs(first, batch, written, error)
        else await this.#broken(first.segment, first.start, batch, error)
      }
    }
  }

  async #writeBatch(segment: Segment, start: number, batch: readonly Waiting[]): Promise<void> {
    const isChange = batch.some(({ waiter, pieces }) => waiter !== undefined && pieces.length > 0)
    if (isChange) await this.#segments.keepReserve()
    await this.#batches.write(segment, start, batch)
    if (isChange) this.#segments.tookChange()
  }

  /** Nobody waits any more: what reaches the disk after all is taken back, for it has gone another way by then. */
  #hangs(
    { segment, start }: Waiting,
    batch: readonly Waiting[],
    written: Promise<void>,
    error: unknown,
  ): void {
    this.#isHanging = true
    this.#queue.unshift(...batch)
    this.#refuse(error)
    const end = () => {
      this.#isHanging = false
      if (!this.#isClosed) this.#writeNotes()
    }
    const takenBack = written.catch(() => {}).then(() => segment.cut(start))
    this.#takenBack = takenBack.then(end, end)
  }

  /** All that is to be written. */
  #refuse(error: unknown): void {
    const all = this.#queue.splice(0)
    for (const { segment } of all) this.#segments.giveUp(segment)
    this.#owed.unshift(...all.flatMap(({ note }) => note ?? []))
    for (const { waiter } of all) waiter?.failed(error)
  }

  /** Nothing more is written to this segment; who waited for it must do without the journal. */
  async #broken(
    segment: Segment,
    size: number,
    batch: readonly Waiting[],
    error: unknown,
  ): Promise<void> {
    const later = this.#queue.filter((waiting) => waiting.segment === segment)
    this.#queue = this.#queue.filter((waiting) => waiting.segment !== segment)
    this.#segments.giveUp(segment)
    await segment.cut(size).catch(() => {})
    const notes = [...batch, ...later].flatMap(({ note }) => note ?? [])
    this.#owed.unshift(...notes)
    if (notes.length > 0) {
      if (await this.#segments.useReserve()) this.#writeNotes()
      else this.#retry ??= setTimeout(() => this.#writeNotes(), RETRY_MILLISECONDS).unref()
    }
    for (const { waiter } of [...batch, ...later]) waiter?.failed(error)
    void this.#trim()
  }

  #trim(): Promise<void> {
    const isAwaited = (segment: Segment) =>
      this.#queue.some((waiting) => waiting.segment === segment)
    // A segment that is removed before would be made anew by what goes on.
    const written = () => this.#writing.then(() => this.#takenBack)
    this.#trimming = this.#trimming.then(() => this.#segments.trim(isAwaited, written))
    return this.#trimming
  }
}
