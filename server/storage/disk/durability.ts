import { failure } from '../failure.js'
import { AfterLog } from './after-log.js'
import { Coalesced } from './coalesced.js'
import type { Contents } from './contents.js'
import { type Disk, isErrno } from './disk.js'
import type { LogFile } from './log-file.js'
import { Unsynced } from './unsynced.js'

/** Contents, or folders, synced at the same time. */
const AT_ONCE = 4
/** Unsynced contents remembered before they are synced without anybody asking. */
const MANY = 4096
/** Contents of which it is remembered that they are on the disk: files that are synced again and again, as databases are. */
const REMEMBERED = 1024
/** Of a long content so much is synced while more comes: whoever asks at its end, and all others, have less to wait for. */
const LONG_BYTES = 32 * 1024 * 1024

/**
 * Power durability by group commit. Every transaction and every content write survives `kill -9` by itself, since the
 * kernel has it. What must survive loss of power waits here for a sync that all waiting requests share: first the bytes
 * and the folders that name them, then the WAL whose rows claim them. Bytes over others that are on the disk claim no more
 * than these did: they and the WAL are synced at the same time. Nothing blocks the event loop.
 */
export class Durability {
  readonly #disk: Disk
  readonly #logFile: LogFile | undefined
  readonly #contents: Unsynced<number>
  readonly #folders: Unsynced<string>
  /** And whether there was no other place for them either. */
  readonly #doubtful = new Map<number, 'movable' | 'stuck'>()
  /** Contents that are on the disk in all their length, whatever was written over them since. */
  readonly #there = new Set<number>()
  /** Those that will be, by who waits for it. */
  readonly #coming = new Map<number, symbol>()
  readonly #log = new Coalesced(() => this.#syncLog())
  readonly #all = new Coalesced(() => this.#syncAll())
  readonly #afterLog: AfterLog

  /**
   * @param logFile of the database; undefined if that is in memory
   * @param isFull whether what is removed is to give back its room at once
   */
  constructor(
    disk: Disk,
    logFile: LogFile | undefined,
    contents: () => Contents,
    isFull: () => boolean,
  ) {
    this.#disk = disk
    this.#logFile = logFile
    this.#contents = new Unsynced((generation) => this.#syncContent(contents(), generation))
    this.#folders = new Unsynced((path) => unlessGone(disk.syncFolder(path)))
    this.#afterLog = new AfterLog(() => this.#log.run(), isFull)
  }

  /** The content of a generation was written to: only over bytes that it had, or in any way. */
  touched(generation: number, bytes = 0, how: 'over' | 'anyhow' = 'anyhow'): void {
    if (how === 'anyhow') this.#notThere(generation)
    this.#contents.mark(generation, bytes)
    if (this.#contents.bytes(generation) >= LONG_BYTES) this.#contents.begin(generation)
    if (this.#contents.count >= MANY) this.#contents.beginAll(AT_ONCE)
  }

  /** The file of a generation is gone: nothing to sync. */
  forgotten(generation: number): void {
    this.#notThere(generation)
    this.#doubtful.delete(generation)
    this.#contents.forget(generation)
  }

  /**
   * Contents of which a sync has failed, as whoever asks about one, or about all, was told before: the kernel counts as clean what is not
   * on the disk, and no other sync brings it there. One that is stuck is in the way of those only who ask about it.
   */
  doubtful(asked: 'one' | 'all'): number[] {
    return [...this.#doubtful.keys()].filter((one) => this.isDoubtful(one, asked))
  }

  isDoubtful(generation: number, asked: 'one' | 'all'): boolean {
    const state = this.#doubtful.get(generation)
    if (state === undefined || this.#contents.isLossUntold(generation, asked)) return false
    return asked === 'one' || state === 'movable'
  }

  /** A doubtful content could not be brought to another place, as whoever asked is told. */
  stuck(generation: number): void {
    if (this.#doubtful.has(generation)) this.#doubtful.set(generation, 'stuck')
  }

  folderChanged(path: string): void {
    this.#folders.mark(path)
  }

  /** Takes away what the database names no more, once it does not do so on the disk either. */
  afterLog(effect: () => void): void {
    this.#afterLog.add(effect)
  }

  /** All that waited for the log is done, if that can be synced. */
  settled(): Promise<void> {
    return this.#afterLog.settle()
  }

  /** What was committed so far is on the disk: the metadata, not the contents. */
  logged(): Promise<void> {
    return this.#log.run()
  }

  /** A content is on the disk, and the folder that names it: the metadata may claim it. */
  async content(generation: number): Promise<void> {
    try {
      await this.#bringThere(generation)
    } catch (error) {
      this.#notThere(generation)
      throw failure(error)
    }
  }

  /** Everything acknowledged so far is on the disk. */
  async all(): Promise<void> {
    try {
      if (this.#contents.count + this.#folders.count === 0) await this.#log.run()
      else await this.#all.run()
    } catch (error) {
      throw failure(error)
    }
  }

  /** One content and all metadata are on the disk. @param generation undefined if it has no content file */
  async one(generation: number | undefined): Promise<void> {
    try {
      if (generation === undefined) await this.#syncMetadata()
      else if (this.#there.has(generation)) {
        await Promise.all([this.#contents.sync(generation), this.#syncMetadata()])
      } else {
        await this.#bringThere(generation)
        await this.#log.run()
      }
    } catch (error) {
      if (generation !== undefined) this.#notThere(generation)
      throw failure(error)
    }
  }

  /** Nothing is synced any more that nobody asks for. Resolves once no content is in use here. */
  stop(): Promise<void> {
    return this.#contents.stop()
  }

  close(): void {
    this.#logFile?.close()
  }

  async #syncAll(): Promise<void> {
    await Promise.all([this.#contents.syncAll(AT_ONCE), this.#folders.syncAll(AT_ONCE)])
    await this.#log.run()
  }

  /** A content and the folder that names it. */
  async #bringThere(generation: number): Promise<void> {
    const waiting = Symbol()
    this.#coming.set(generation, waiting)
    await Promise.all([this.#contents.sync(generation), this.#folders.syncAll(AT_ONCE)])
    if (this.#coming.get(generation) !== waiting) return
    this.#coming.delete(generation)
    if (this.#there.size >= REMEMBERED) this.#there.clear()
    this.#there.add(generation)
  }

  #notThere(generation: number): void {
    this.#there.delete(generation)
    this.#coming.delete(generation)
  }

  async #syncMetadata(): Promise<void> {
    if (this.#folders.count > 0) await this.#folders.syncAll(AT_ONCE)
    await this.#log.run()
  }

  async #syncContent(contents: Contents, generation: number): Promise<void> {
    const sync = async () => {
      const handle = contents.acquire(generation)
      try {
        await this.#disk.fdatasync(handle.fd)
      } catch (error) {
        this.#doubtful.set(generation, 'movable')
        throw error
      } finally {
        contents.release(handle)
      }
    }
    await unlessGone(sync())
  }

  async #syncLog(): Promise<void> {
    const ended = this.#afterLog.taken()
    try {
      await this.#logFile?.sync()
    } catch (error) {
      ended('failed')
      throw error
    }
    ended('synced')
  }
}

/** What was replaced or removed in the meantime needs no sync. */
async function unlessGone(sync: Promise<void>): Promise<void> {
  try {
    await sync
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}
