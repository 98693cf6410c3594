import { constants } from 'node:fs'
import { dirname } from 'node:path'
import { contentFolder, contentPath } from './content-path.js'
import { type Disk, isErrno } from './disk.js'
import { withoutHoles } from './sparse.js'

/** What is done once the database on the disk is what it is now. */
export interface AfterLog {
  afterLog(effect: () => void): void
  settled(): Promise<void>
  /** The file of a generation is gone, or will be. */
  forgotten(generation: number): void
}

/** The content file of one generation, open for reading and writing. */
export interface Handle {
  readonly generation: number
  readonly fd: number
}

interface Slot extends Handle {
  users: number
  /** Its file is unlinked: close it with the last user. */
  discarded: boolean
}

/** Descriptors kept open without a user, so that small reads and writes do not open the file each time. */
const IDLE_HANDLES = 256

/** The files under content/ by generation, and the open ones among them. */
export class Contents {
  readonly root: string
  readonly #disk: Disk
  readonly #open = new Map<number, Slot>()
  /** Those without a user, the least recently used first. */
  readonly #idle = new Set<Slot>()
  readonly #folders = new Set<string>()
  /** Whether the file system can share the bytes of two files, as far as is known. */
  #reflinks = true
  readonly #unlinking = new Set<Promise<void>>()
  readonly #log: AfterLog
  readonly #onFolder: (path: string) => void
  readonly #isHeld: (generation: number) => boolean
  /** Retired, but held by a backup. */
  readonly #postponed = new Set<number>()

  /**
   * @param onFolder learns of folders in which a file was made, which must be synced with it
   * @param isHeld says whether a backup still needs a generation
   */
  constructor(
    disk: Disk,
    root: string,
    log: AfterLog,
    onFolder: (path: string) => void,
    isHeld: (generation: number) => boolean,
  ) {
    this.#disk = disk
    this.root = root
    this.#log = log
    this.#onFolder = onFolder
    this.#isHeld = isHeld
    disk.makeFolder(root)
  }

  path(generation: number): string {
    return contentPath(this.root, generation)
  }

  /** Makes the empty content file of a generation that has none. */
  create(generation: number): Handle {
    if (this.#open.has(generation)) return this.acquire(generation)
    const { O_RDWR, O_CREAT, O_TRUNC } = constants
    const folder = contentFolder(this.root, generation)
    this.#makeFolder(folder)
    this.#onFolder(folder)
    return this.#add(generation, O_RDWR | O_CREAT | O_TRUNC)
  }

  /** The open content of a generation; give it back with `release`. */
  acquire(generation: number): Handle {
    const slot = this.#open.get(generation)
    if (slot === undefined) return this.#add(generation, constants.O_RDWR)
    slot.users += 1
    this.#idle.delete(slot)
    return slot
  }

  /** The content of a generation that an earlier run of the server may have begun: its folder was perhaps not synced. */
  resume(generation: number): Handle {
    const folder = contentFolder(this.root, generation)
    this.#makeFolder(folder)
    this.#onFolder(folder)
    return this.acquire(generation)
  }

  release(handle: Handle): void {
    const slot = this.#open.get(handle.generation)
    if (slot === undefined || slot.fd !== handle.fd) return
    slot.users -= 1
    if (slot.users > 0) return
    if (slot.discarded) {
      this.#close(slot)
      return
    }
    this.#idle.add(slot)
    for (const oldest of this.#idle) {
      if (this.#idle.size <= IDLE_HANDLES) break
      this.#close(oldest)
    }
  }

  /** Removes the file of a generation that nothing has named. Whoever has it open may read on. */
  discard(generation: number): void {
    this.#forget(generation)
    this.#unlink(generation)
  }

  /** The same for one that the database has named until now, or may have on the disk: it does so no more before the file goes. */
  retire(generation: number): void {
    this.#forget(generation)
    if (this.#isHeld(generation)) {
      // Those that are too many to remember are orphans after the next start.
      if (this.#postponed.size < REMEMBERED_POSTPONED) this.#postponed.add(generation)
      return
    }
    this.#log.afterLog(() => this.#unlink(generation))
  }

  #forget(generation: number): void {
    this.#log.forgotten(generation)
    const slot = this.#open.get(generation)
    if (slot === undefined) return
    slot.discarded = true
    if (slot.users === 0) this.#close(slot)
  }

  /** Removes what was retired while a backup held it. */
  discardPostponed(): void {
    for (const generation of this.#postponed) {
      if (this.#isHeld(generation)) continue
      this.#postponed.delete(generation)
      this.#log.afterLog(() => this.#unlink(generation))
    }
  }

  #unlink(generation: number): void {
    // What cannot be unlinked now is an orphan: the sweep of the next start takes it.
    const unlinking = this.#disk.unlink(this.path(generation)).then(
      () => {},
      () => {},
    )
    this.#unlinking.add(unlinking)
    void unlinking.then(() => this.#unlinking.delete(unlinking))
  }

  /** Bytes that the content of a generation takes on the disk: holes are not among them. */
  allocated(generation: number): number {
    const handle = this.acquire(generation)
    try {
      return this.#disk.stat(handle.fd).allocated
    } finally {
      this.release(handle)
    }
  }

  /** The same where holes make it less than the size; null where there are none. */
  holed(generation: number, size: number): number | null {
    const allocated = this.allocated(generation)
    return allocated < size ? allocated : null
  }

  /** Copies the content of a generation under a new one, by reflink where the file system can. */
  async copy(from: number, to: number): Promise<void> {
    if (!(await this.share(from, to))) await this.copyBytes(from, to)
  }

  /** The content of a generation under a new one by reflink; false where the file system cannot. */
  async share(from: number, to: number): Promise<boolean> {
    if (!this.#reflinks) return false
    const folder = contentFolder(this.root, to)
    this.#makeFolder(folder)
    this.#onFolder(folder)
    try {
      await this.#disk.copy(this.path(from), this.path(to), constants.COPYFILE_FICLONE_FORCE)
      return true
    } catch (error) {
      if (!REFLINK_UNSUPPORTED.some((code) => isErrno(error, code))) throw error
      this.#reflinks = false
      return false
    }
  }

  /** All that was retired is gone, unless the log cannot be synced, or a backup holds it. */
  async settled(): Promise<void> {
    await this.#log.settled()
    await Promise.all(this.#unlinking)
  }

  async close(): Promise<void> {
    await this.settled()
    for (const slot of [...this.#open.values()]) this.#close(slot)
  }

  /**
   * Copies by reading and writing; what is all zeros is left out, so holes stay holes. Where a hole may have begun, its end is asked
   * for: it may be longer than anybody could read.
   */
  async copyBytes(from: number, to: number): Promise<void> {
    const source = this.acquire(from)
    try {
      const target = this.create(to)
      try {
        const { length } = this.#disk.stat(source.fd)
        for (let position = 0; position < length; ) {
          const buffer = Buffer.allocUnsafe(Math.min(COPY_CHUNK, length - position))
          const bytes = await this.#disk.read(source.fd, buffer, position)
          let isZero = true
          for (const { at, piece } of withoutHoles(buffer.subarray(0, bytes))) {
            isZero = false
            await this.#disk.write(target.fd, [piece], position + at)
          }
          position += COPY_CHUNK
          if (isZero) position = await this.#nextData(source.fd, position, length)
        }
        await this.#disk.truncate(target.fd, length)
      } finally {
        this.release(target)
      }
    } finally {
      this.release(source)
    }
  }

  /** Where data goes on; if that cannot be told, it is looked for from here. */
  async #nextData(fd: number, position: number, length: number): Promise<number> {
    const found = await this.#disk.seek(fd, position, 'data')
    if (found.kind === 'found') return found.position
    return found.kind === 'none' ? length : position
  }

  #makeFolder(folder: string): void {
    if (this.#folders.has(folder)) return
    this.#disk.makeFolder(folder)
    for (let parent = folder; parent !== this.root; ) {
      parent = dirname(parent)
      this.#onFolder(parent)
    }
    if (this.#folders.size >= REMEMBERED_FOLDERS) this.#folders.clear()
    this.#folders.add(folder)
  }

  #add(generation: number, flags: number): Handle {
    const fd = this.#disk.open(this.path(generation), flags)
    const slot = { generation, fd, users: 1, discarded: false }
    this.#open.set(generation, slot)
    return slot
  }

  #close(slot: Slot): void {
    this.#idle.delete(slot)
    this.#open.delete(slot.generation)
    this.#disk.close(slot.fd)
  }
}

const REFLINK_UNSUPPORTED = ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY']
const COPY_CHUNK = 256 * 1024
const REMEMBERED_FOLDERS = 4096
const REMEMBERED_POSTPONED = 100_000
