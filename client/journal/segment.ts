import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checksum, SEGMENT_HEAD, SEGMENT_MAGIC } from './record.js'

/** What the name of a segment that is kept aside ends with. */
export const DAMAGED = '.damaged'

/** One file of a journal. Where a record will stand is known before it is written. */
export class Segment {
  readonly path: string
  readonly salt: number
  /** Changes in it that are not done. */
  readonly live = new Set<number>()
  /** Where the next record begins. */
  size: number
  /** Up to where it is known to be on the disk. */
  synced = SEGMENT_HEAD
  /** Kept aside when all that could be read of it is done. */
  isDamaged = false
  #file: FileHandle | undefined

  private constructor(path: string, salt: number, size: number, file?: FileHandle) {
    this.path = path
    this.salt = salt
    this.size = size
    this.#file = file
  }

  /** Nothing is on the disk before something is written. */
  static fresh(path: string): Segment {
    return new Segment(path, randomBytes(4).readUInt32LE(), SEGMENT_HEAD)
  }

  /** Of an earlier run; only read. */
  static old(path: string, size: number, file: FileHandle): Segment {
    return new Segment(path, 0, size, file)
  }

  async write(pieces: readonly Buffer[], position: number): Promise<void> {
    const file = await this.#opened()
    let at = position
    // man 2 writev: at most IOV_MAX (1024) at once, and perhaps less than asked.
    for (let next = 0; next < pieces.length; next += 512) {
      const some = pieces.slice(next, next + 512)
      const length = some.reduce((sum, piece) => sum + piece.length, 0)
      const { bytesWritten } = await file.writev(some, at)
      if (bytesWritten !== length) throw new Error(`${this.path}: only a part could be written`)
      at += length
    }
  }

  async sync(upTo: number): Promise<void> {
    await (await this.#opened()).datasync()
    this.synced = upTo
  }

  /** What could not be written whole goes. */
  async cut(size: number): Promise<void> {
    this.size = size
    await this.#file?.truncate(size)
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (this.#file === undefined) throw new Error(`${this.path} is closed`)
    const data = Buffer.allocUnsafe(length)
    const { bytesRead } = await this.#file.read(data, 0, length, offset)
    if (bytesRead !== length) throw new Error(`${this.path} is too short`)
    return data
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async remove(): Promise<void> {
    await this.close().catch(() => {})
    const gone = this.isDamaged ? rename(this.path, `${this.path}${DAMAGED}`) : unlink(this.path)
    await gone.catch(() => {})
  }

  async #opened(): Promise<FileHandle> {
    if (this.#file !== undefined) return this.#file
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
    const file = await open(this.path, flags, 0o600)
    try {
      const head = Buffer.concat([SEGMENT_MAGIC, Buffer.alloc(4)])
      head.writeUInt32LE(this.salt, 4)
      await file.write(head, 0, head.length, 0)
      await syncDirectory(dirname(this.path))
    } catch (error) {
      await file.close()
      await unlink(this.path).catch(() => {})
      throw error
    }
    this.#file = file
    return file
  }
}

/** The bytes that came with a record: in memory until they are on the disk, then there. */
export class JournalData {
  readonly length: number
  readonly #segment: Segment | undefined
  readonly #offset: number
  readonly #checksum: number
  #pieces: readonly Buffer[] | undefined
  #isChecked = false

  constructor(
    where: { segment: Segment; offset: number; checksum: number } | undefined,
    content: readonly Buffer[] | number,
  ) {
    this.#segment = where?.segment
    this.#offset = where?.offset ?? 0
    this.#checksum = where?.checksum ?? 0
    this.#pieces = typeof content === 'number' ? undefined : content
    this.length =
      typeof content === 'number' ? content : content.reduce((sum, { length }) => sum + length, 0)
  }

  isStored(): void {
    this.#pieces = undefined
  }

  /** All of it, checked. */
  async whole(): Promise<Buffer> {
    if (this.#pieces !== undefined) return Buffer.concat(this.#pieces)
    const data = await this.#stored(0, this.length)
    if (checksum([data]) !== this.#checksum) {
      if (this.#segment !== undefined) this.#segment.isDamaged = true
      throw new DamagedData(`${this.#segment?.path}: bytes at ${this.#offset} are damaged`)
    }
    this.#isChecked = true
    return data
  }

  async part(from: number, length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0)
    if (this.#pieces !== undefined) {
      return Buffer.concat(this.#pieces).subarray(from, from + length)
    }
    // Once, whoever reads them first: a program is never shown what was not written.
    if (!this.#isChecked) return (await this.whole()).subarray(from, from + length)
    return this.#stored(from, length)
  }

  async #stored(from: number, length: number): Promise<Buffer> {
    if (this.#segment === undefined) throw new Error('these bytes are nowhere')
    return this.#segment.read(this.#offset + from, length)
  }
}

/** The local disk gave back something else than was written. */
export class DamagedData extends Error {}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
