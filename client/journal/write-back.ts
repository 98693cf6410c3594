import { setTimeout as delay } from 'node:timers/promises'
import { BoundedMap } from '../../server/bounded-map.js'
import type { WireChange } from '../../server/wire/changes.js'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { plannedFile } from '../planned-file.js'
import type { RemoteFiles } from '../remote/remote-files.js'
import { RemoteError } from '../remote-error.js'
import type { Journal } from './journal.js'
import { News } from './news.js'
import { isBuiltUpon, type Pending, pendingChange } from './pending.js'
import { Places } from './places.js'
import type { Birth, Change, Place } from './record.js'
import { recover } from './recovery.js'
import { RemovedHere } from './removed-here.js'
import { JournalData } from './segment.js'
import { Sender } from './sender.js'
import { UnsentFile } from './unsent-file.js'
import { UnsentFiles } from './unsent-files.js'
import type { WriteBackOptions } from './write-back-options.js'

/** Attributes remembered, for what is based on them. */
const REMEMBERED = 100_000
/** Changes that may wait. */
const MOST_CHANGES = 50_000
const ROOM_MILLISECONDS = 30_000
const LOOK_MILLISECONDS = 50
/** Of a change that this machine tells itself. */
const HERE = { seq: 0, at: 0 } as const

/** What is written and not yet on the server: kept in a journal, shown, and sent in the background. */
export class WriteBack {
  readonly unsent = new UnsentFiles()
  readonly news = new News()
  readonly removedHere: RemovedHere
  readonly sender: Sender
  readonly #files: RemoteFiles
  readonly #options: WriteBackOptions
  readonly #seen = new BoundedMap<number, WireAttributes>(REMEMBERED)
  readonly #places = new Places()
  #isBroken = false
  /** Numbers of changes that are only in memory. */
  #nextNumber = -1

  constructor(files: RemoteFiles, options: WriteBackOptions) {
    this.#files = files
    this.#options = options
    const { root, hostname, log, journals } = options
    this.removedHere = new RemovedHere(this.unsent, journals)
    this.sender = new Sender({
      files,
      unsent: this.unsent,
      root,
      hostname,
      log,
      now: () => new Date(options.clock()),
      removed: () => this.removedHere.ended(),
      settled: (file, now) => this.#settled(file, now),
      doubted: (place) => this.news.tell({ kind: 'name', place }),
      replaced: (ino) => this.#tell({ ...HERE, kind: 'content', ino }),
    })
    const add = this.#add.bind(this)
    for (const journal of journals) recover(journal, this.unsent, add)
    for (const { ino, place } of this.unsent.all())
      if (place !== undefined) this.#places.found(place, ino)
  }

  get keepsNew(): boolean {
    return this.#options.keepsNew
  }

  get isAway(): boolean {
    return this.keepsNew && this.#options.isAway()
  }

  /** Folders of the journals that it keeps or sends. */
  get directories(): string[] {
    return this.#options.journals.map(({ directory }) => directory)
  }

  lastSeen(ino: number): WireAttributes | undefined {
    return this.#seen.get(ino)
  }

  /** Sends what earlier mounts left, once the next one will know by whom. */
  async start(): Promise<void> {
    const { journals, connection } = this.#options
    const left = journals.filter(({ recovered }) => recovered.length > 0)
    await Promise.all(left.map((journal) => journal.keep({ kind: 'sender', by: connection })))
    for (const file of this.unsent.all()) this.sender.offer(file)
  }

  /** What the server said, and where it stands. An answer may be older than what is known. */
  saw(attributes: WireAttributes, place?: Place): WireAttributes {
    const { ino } = attributes
    if (place !== undefined) this.#places.found(place, ino)
    if (attributes.version >= (this.#seen.get(ino)?.version ?? 0)) this.#seen.set(ino, attributes)
    return this.unsent.of(ino)?.over(attributes) ?? attributes
  }

  /** Keeps a new file. @returns as `keep` */
  bear(birth: Birth, content: readonly Buffer[]): Promise<WireAttributes> {
    const file = new UnsentFile(birth.ino, plannedFile(birth), birth.place)
    return this.#store(
      async () => {},
      () => file,
      (id) => ({ ...birth, id }),
      content,
    )
  }

  /**
   * Keeps a change of a file; it is shown from now on.
   * @returns once it survives loss of power here, or, where there is no journal to keep it in, is on the server
   */
  keep(
    ino: number,
    change: (id: number, file: UnsentFile) => Change,
    content: readonly Buffer[],
  ): Promise<WireAttributes> {
    return this.#store(
      () => this.#known(ino),
      () => this.#fileNow(ino),
      change,
      content,
    )
  }

  /** Between that the file is ready and that the change is added to it nothing else happens. */
  async #store(
    ready: () => Promise<void>,
    fileNow: () => UnsentFile | undefined,
    change: (id: number, file: UnsentFile) => Change,
    content: readonly Buffer[],
  ): Promise<WireAttributes> {
    const journal = await this.#journalFor(content)
    let file = fileNow()
    for (; file === undefined; file = fileNow()) await ready()
    if (journal === undefined) {
      const data = new JournalData(undefined, content)
      return this.#through(file, this.#add(file, change(this.#nextNumber--, file), data, undefined))
    }
    const made = { ...change(journal.nextId(), file), by: this.#options.connection }
    const { data, stored } = journal.append(made, content)
    const pending = this.#add(file, made, data, journal)
    const { shown } = file
    try {
      await stored
      this.#isBroken = false
    } catch (error) {
      if (!this.#isBroken) this.#options.log('the journal cannot be written', error)
      this.#isBroken = true
      pending.journal = undefined
      return this.#through(file, pending)
    }
    this.sender.offer(file)
    return shown
  }

  /** The file that a change is for, unless something must be waited for first. */
  #fileNow(ino: number): UnsentFile | undefined {
    const file = this.unsent.of(ino)
    if (file !== undefined) return file.settling === undefined ? file : undefined
    const known = this.#seen.get(ino)
    return known && new UnsentFile(ino, known, this.#places.of(ino))
  }

  async #known(ino: number): Promise<void> {
    const settling = this.unsent.of(ino)?.settling
    if (settling !== undefined) await settling
    else if (this.#seen.get(ino) === undefined) this.saw(await this.#files.stat(ino))
  }

  /** Resolves once everything given for an inode has left this machine. */
  async sent(ino: number): Promise<void> {
    const file = this.unsent.of(ino)
    if (file !== undefined) await this.sender.sent(file)
  }

  /** The same for a name, before it is changed in its directory; and for all new files in a directory. */
  async sentAt(place: Place): Promise<void> {
    await this.removedHere.kept()
    await this.sent(place.directory)
    const file = this.unsent.named(place) ?? this.unsent.of(this.#places.at(place) ?? 0)
    if (file !== undefined) await this.sender.sent(file)
  }

  async sentIn(directory: number): Promise<void> {
    await this.removedHere.kept()
    const files = [...this.unsent.in(directory).values()]
    await Promise.all([this.sent(directory), ...files.map((file) => this.sender.sent(file))])
  }

  pending(): { bytes: number; files: number } {
    const files = this.unsent.all().filter(({ isNameless }) => !isNameless)
    return { files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
  }

  /** Resolves once nothing waits; rejects with the first refusal, after every file was tried. */
  async drain(): Promise<void> {
    const files = this.unsent.all().filter(({ isNameless }) => !isNameless)
    const results = await Promise.allSettled(files.map((file) => this.sender.sent(file)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /** What was not sent stays in the journals. */
  async close(): Promise<void> {
    this.sender.stop()
    for (const file of this.unsent.all()) if (file.isNameless) this.removedHere.cancel(file)
    for (const journal of this.#options.journals) await journal.close()
  }

  #add(file: UnsentFile, change: Change, data: JournalData, journal: Journal | undefined): Pending {
    const pending = pendingChange({ change, data, journal, after: this.#before(change) })
    this.unsent.add(file, pending)
    return pending
  }

  /** A directory's attributes come after the files that are to stand in it, whose coming changes its times; and the other way round. */
  #before(change: Change): Pending[] {
    const files =
      change.kind === 'birth'
        ? [this.unsent.of(change.place.directory)]
        : [...this.unsent.in(change.ino).values()]
    return files.flatMap((file) => file?.queue.slice(-1) ?? [])
  }

  /** The journal, once it has room; undefined if it must be done without. */
  async #journalFor(content: readonly Buffer[]): Promise<Journal | undefined> {
    const bytes = content.reduce((sum, { length }) => sum + length, 0)
    const [journal] = this.#options.journals
    if (journal === undefined || journal.isHanging) return undefined
    const end = performance.now() + ROOM_MILLISECONDS
    while (!journal.hasRoom(bytes) || this.unsent.count >= MOST_CHANGES) {
      if (performance.now() > end) return undefined
      await delay(LOOK_MILLISECONDS)
    }
    return journal
  }

  /** Without a journal the caller waits for the server, and is told what it refuses. */
  async #through(file: UnsentFile, pending: Pending): Promise<WireAttributes> {
    const { shown } = file
    let ends = this.sender.sent(file, pending)
    while (file.queue.includes(pending)) {
      try {
        if (file.isOnlyHere) throw new RemoteError('ENOSPC', 'the journal has no room')
        await ends
      } catch (error) {
        if (!isBuiltUpon(pending, file.queue) && this.unsent.takeBack(file, pending)) throw error
        if (file.isOnlyHere) return shown
        // It may be on its way again.
        ends = this.sender.tried(file, pending)
      }
    }
    return this.#seen.get(file.ino) ?? shown
  }

  #settled(file: UnsentFile, now: WireAttributes | undefined): void {
    if (file.place !== undefined) this.#places.found(file.place, file.ino)
    if (now === undefined || now.version < 0) return
    const { ino, place } = file
    const last = this.#seen.get(ino)
    // A removal that was sent later may have been answered sooner.
    const isOvertaken = last?.version === now.version && BigInt(last.ctime) > BigInt(now.ctime)
    if (!isOvertaken) this.#seen.set(ino, now)
    if (file.target !== ino && place !== undefined) {
      this.#tell({ ...HERE, kind: 'make', place, ino: file.target })
      return
    }
    // By the time it is heard something newer may have been written.
    const current = () => (this.unsent.of(ino) === undefined ? this.#seen.get(ino) : undefined)
    if (isOvertaken) this.#tell({ ...HERE, kind: 'attributes', ino })
    else this.news.tell({ kind: 'settled', current })
    if (place === undefined || this.unsent.in(place.directory).size > 0) return
    this.#tell({ ...HERE, kind: 'attributes', ino: place.directory })
  }

  #tell(change: WireChange): void {
    this.news.tell({ kind: 'change', change })
  }
}
