import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DiskReads } from '../disk-reads.js'
import { isBadSector } from './read-around.js'
import { checksum, type JournalRecord, SEGMENT_HEAD, SEGMENT_MAGIC } from './record.js'

/** What the name of a segment that is kept aside ends with. */
export const DAMAGED = '.damaged'

/** Of all segments. */
const READS = new DiskReads(30_000)

/** A note is shorter, whatever name it has in it. */
const NOTE_BYTES = 4096

/** Room on the disk that a segment takes over. */
interface Room {
  readonly bytes: number
  takeOver(): Promise<void>
}

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
  readonly #room: Room | undefined
  #file: FileHandle | undefined

  private constructor(
    path: string,
    salt: number,
    size: number,
    { file, room }: { readonly file?: FileHandle; readonly room?: Room } = {},
  ) {
    this.path = path
    this.salt = salt
    this.size = size
    this.#file = file
    this.#room = room
  }

  /** Nothing is on the disk before something is written. */
  static fresh(path: string): Segment {
    return new Segment(path, randomSalt(), SEGMENT_HEAD)
  }

  /** For notes alone; so many bytes are there for it already. */
  static reserved(path: string, bytes: number, takeOver: () => Promise<void>): Segment {
    return new Segment(path, randomSalt(), SEGMENT_HEAD, { room: { bytes, takeOver } })
  }

  /** Of an earlier run; only read. */
  static old(path: string, size: number, file: FileHandle): Segment {
    const segment = new Segment(path, 0, size, { file })
    segment.synced = size
    return segment
  }

  get isReserved(): boolean {
    return this.#room !== undefined
  }

  /** Loss of power may take what was written last. */
  get isUnsynced(): boolean {
    return this.size > this.synced
  }

  /** Of the room that was kept for it something is left. */
  get hasRoom(): boolean {
    return this.#room !== undefined && this.size + NOTE_BYTES <= this.#room.bytes
  }

  /** On the disk. */
  get bytes(): number {
    return Math.max(this.size, this.#room?.bytes ?? 0)
  }

  /** Whether another record is to stand here, where segments get so long. */
  takes(record: JournalRecord, dataLength: number, most: number): boolean {
    if (this.#room === undefined) return this.size + dataLength <= most
    return !('id' in record) && this.hasRoom
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

  /** Nothing more is written to it for now. */
  async settle(): Promise<void> {
    await this.#file?.datasync().catch(() => {}) // who writes to it finds out
  }

  /** What could not be written whole goes. */
  async cut(size: number): Promise<void> {
    this.size = size
    await this.#file?.truncate(size)
    await this.#file?.datasync()
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const file = this.#file
    if (file === undefined) throw new Error(`${this.path} is closed`)
    return READS.read(() => this.#readWhole(file, offset, length))
  }

  async #readWhole(file: FileHandle, offset: number, length: number): Promise<Buffer> {
    const data = Buffer.allocUnsafe(length)
    try {
      for (let at = 0; at < length; ) {
        const { bytesRead } = await file.read(data, at, length - at, offset + at)
        if (bytesRead === 0) throw new Error(`${this.path} is too short`)
        at += bytesRead
      }
      return data
    } catch (error) {
      if (!(await isBadSector(file, error))) throw error
      this.isDamaged = true
      throw new DamagedData(`${this.path}: bytes at ${offset} cannot be read`, { cause: error })
    }
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

  /** Makes the file. */
  async begin(): Promise<void> {
    await this.#opened()
  }

  async #opened(): Promise<FileHandle> {
    if (this.#file !== undefined) return this.#file
    await this.#room?.takeOver()
    const { O_RDWR, O_CREAT, O_EXCL } = constants
    const flags = this.#room === undefined ? O_RDWR | O_CREAT | O_EXCL : O_RDWR
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

function randomSalt(): number {
  return randomBytes(4).readUInt32LE()
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
