import { type FileHandle, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { privateDirectory } from '../atomic-file.js'
import { briefly } from '../briefly.js'
import { codeOf } from '../error-of.js'
import { type FileLock, lockFile } from '../file-lock.js'
import { Slots } from '../slots.js'
import {
  blockOf,
  type ContentKey,
  canBeEntry,
  ENTRY_BYTES,
  entryOf,
  inoOf,
  isIntact,
  isOf,
  isWritten,
  lengthOf,
} from './disk-cache-entry.js'
import { openCacheFiles } from './disk-cache-files.js'
import { TimelyReads } from './timely-reads.js'

const MOST_CACHES = 8
/** This much of the disk is left to everything else: its twentieth part, or, of a large one, a gigabyte. */
const LEFT_SHARE = 20
const LEFT_BYTES = 1 << 30
/** What waits for the disk is in memory; where the disk is slower than the server, not everything is kept. */
const MOST_WAITING_BYTES = 16 << 20
/** Where the disk hangs, each write has one of libuv's threads: the mount needs the others. */
const WRITES_AT_ONCE = 3
/** What write(2) says when somebody else was faster. */
const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT'])

/**
 * Blocks of files on the local disk: a file of slots, and one that says what is in each. Every block is checked when it is read, so
 * whatever a crash or a bad disk leaves is a miss. It never grows beyond its slots, nor where the disk has little room left; the
 * one that was not used for the longest time makes room.
 */
export class DiskCache {
  readonly blockBytes: number
  readonly #slots: number
  readonly #data: FileHandle
  readonly #index: FileHandle
  readonly #lock: FileLock
  readonly #entries: Buffer
  /** Slots by what is in them, the least recently used first. */
  readonly #places = new Map<string, number>()
  readonly #free: number[] = []
  readonly #log: (message: string, error?: unknown) => void
  readonly #directory: string
  /** Slots below have their room on the disk. */
  #grown: number
  #waitingBytes = 0
  readonly #writes = new Slots(WRITES_AT_ONCE)
  readonly #reads: TimelyReads
  #isOff = false
  #hasSaid = false
  #hasSaidLate = false

  private constructor(
    files: { data: FileHandle; index: FileHandle; lock: FileLock; entries: Buffer },
    size: { blockBytes: number; slots: number; grown: number },
    directory: string,
    log: (message: string, error?: unknown) => void,
  ) {
    this.#directory = directory
    this.#grown = size.grown
    this.#data = files.data
    this.#index = files.index
    this.#lock = files.lock
    this.#entries = files.entries
    this.blockBytes = size.blockBytes
    this.#slots = size.slots
    this.#log = log
    this.#reads = new TimelyReads(() => this.#isLate())
    for (let slot = this.#slots - 1; slot >= 0; slot--) {
      const entry = this.#entry(slot)
      if (isWritten(entry)) this.#places.set(place(inoOf(entry), blockOf(entry)), slot)
      else this.#free.push(slot)
    }
  }

  /**
   * The first cache of an account in a directory that no other mount uses.
   * @returns undefined if there is none
   */
  static async open(
    directory: string,
    bytes: number,
    log: (message: string, error?: unknown) => void,
  ): Promise<DiskCache | undefined> {
    for (let number = 1; number <= MOST_CACHES; number++) {
      const own = join(directory, String(number))
      await privateDirectory(own)
      const lock = await lockFile(join(own, 'lock'))
      if (lock === undefined) continue
      try {
        const { data, index, entries, ...size } = await openCacheFiles(own, bytes)
        return new DiskCache({ data, index, lock, entries }, size, directory, log)
      } catch (error) {
        await lock.release()
        throw error
      }
    }
    return undefined
  }

  /** A block as it was stored; undefined if it is not here, of another content, or damaged. */
  async read(key: ContentKey, block: number): Promise<Buffer | undefined> {
    const name = place(key.ino, block)
    const slot = this.#places.get(name)
    if (slot === undefined || this.#isOff) return undefined
    const entry = Buffer.from(this.#entry(slot))
    if (!isOf(entry, key) || lengthOf(entry) > this.blockBytes) {
      this.#drop(name, slot)
      return undefined
    }
    // Used last.
    this.#places.delete(name)
    this.#places.set(name, slot)
    const read = await this.#reads.read(() => this.#bytes(slot, lengthOf(entry)))
    if (read === undefined) return undefined
    const isStillHere = this.#entry(slot).equals(entry)
    if (isStillHere && read.isWhole && isIntact(entry, read.data)) return read.data
    if (isStillHere) this.#drop(name, slot)
    return undefined
  }

  async #bytes(slot: number, length: number): Promise<{ data: Buffer; isWhole: boolean }> {
    const data = Buffer.allocUnsafe(length)
    try {
      const { bytesRead } = await this.#data.read(data, 0, length, slot * this.blockBytes)
      return { data, isWhole: bytesRead === length }
    } catch {
      return { data, isWhole: false }
    }
  }

  /** Keeps a block, whose memory may be used again at once; what cannot be kept is no harm. */
  async write(key: ContentKey, block: number, data: Buffer): Promise<void> {
    const { length } = data
    if (this.#isOff || this.#slots === 0 || !canBeEntry(key, block)) return
    if (this.#waitingBytes + length > MOST_WAITING_BYTES) return
    this.#waitingBytes += length
    const kept = Buffer.from(data)
    await this.#writes.take()
    await this.#write(key, block, kept)
    this.#writes.give()
    this.#waitingBytes -= length
  }

  async #write(key: ContentKey, block: number, data: Buffer): Promise<void> {
    const name = place(key.ino, block)
    const mayGrow = !this.#wouldGrow(name) || (await this.#leavesRoom())
    if (this.#isOff) return
    const slot =
      this.#places.get(name) ?? (mayGrow ? this.#free.pop() : undefined) ?? this.#oldest()
    if (slot === undefined) return
    this.#places.delete(name)
    const entry = entryOf(key, block, data)
    this.#entry(slot).fill(0)
    try {
      await this.#data.write(data, 0, data.length, slot * this.blockBytes)
      await this.#index.write(entry, 0, ENTRY_BYTES, slot * ENTRY_BYTES)
      entry.copy(this.#entry(slot))
      this.#grown = Math.max(this.#grown, slot + 1)
      const other = this.#places.get(name)
      if (other !== undefined) this.#free.push(other)
      this.#places.set(name, slot)
    } catch (error) {
      this.#free.push(slot)
      if (FULL.has(codeOf(error))) return this.#isShort(error)
      await this.#switchOff(error)
    }
  }

  /** What is in it is not used any more, so that nothing keeps the room of files that were removed. */
  async #switchOff(error: unknown): Promise<void> {
    if (this.#isOff) return
    this.#log('the disk cache is switched off: it cannot be written', error)
    this.#isOff = true
    await Promise.allSettled([this.#data.close(), this.#index.close()])
  }

  /** What is kept next needs room that the cache does not have on the disk yet. */
  #wouldGrow(name: string): boolean {
    const next = this.#free.at(-1)
    return !this.#places.has(name) && next !== undefined && next >= this.#grown
  }

  /** Whether there is room to grow; where the directory is gone, the cache is as good as gone. */
  async #leavesRoom(): Promise<boolean> {
    const disk = await statfs(this.#directory).catch((error) => this.#switchOff(error))
    if (disk === undefined) return false
    const { bsize, blocks, bavail } = disk
    const left = Math.min((blocks * bsize) / LEFT_SHARE, LEFT_BYTES)
    // A file system without bounds counts no blocks.
    if (blocks === 0 || bavail * bsize - this.blockBytes >= left) return true
    this.#isShort()
    return false
  }

  /** It goes on by itself when there is room again. */
  #isShort(error?: unknown): void {
    if (!this.#hasSaid) this.#log('the disk cache does not grow: its disk has little room', error)
    this.#hasSaid = true
  }

  #isLate(): void {
    if (!this.#hasSaidLate) this.#log('the disk of the cache hangs: the server is asked meanwhile')
    this.#hasSaidLate = true
  }

  /** Nothing in it is worth that who ends waits for a disk that hangs, or hears of one that is broken. */
  async close(): Promise<void> {
    this.#isOff = true
    await briefly(this.#closed()).catch((error: unknown) => {
      this.#log('the disk cache could not be closed', error)
    })
  }

  async #closed(): Promise<void> {
    const files = await Promise.allSettled([this.#data.close(), this.#index.close()])
    await this.#lock.release()
    for (const file of files) if (file.status === 'rejected') throw file.reason
  }

  #entry(slot: number): Buffer {
    return this.#entries.subarray(slot * ENTRY_BYTES, (slot + 1) * ENTRY_BYTES)
  }

  #oldest(): number | undefined {
    for (const [name, slot] of this.#places) {
      this.#places.delete(name)
      return slot
    }
    return undefined
  }

  #drop(name: string, slot: number): void {
    if (this.#places.get(name) !== slot) return
    this.#places.delete(name)
    this.#entry(slot).fill(0)
    this.#free.push(slot)
  }
}

function place(ino: number, block: number): string {
  return `${ino}/${block}`
}
