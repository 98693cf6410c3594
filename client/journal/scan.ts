import type { FileHandle } from 'node:fs/promises'
import { isBadSector, readAround } from './read-around.js'
import {
  checksum,
  decodeHeader,
  type JournalRecord,
  RECORD_HEAD,
  RECORD_MAGIC,
  ROOM,
  recordHead,
  SEGMENT_HEAD,
  SEGMENT_MAGIC,
} from './record.js'

/** A record as it stands in a segment. */
export interface Found {
  readonly record: JournalRecord
  readonly start: number
  readonly dataAt: number
  readonly dataLength: number
  readonly dataChecksum: number
  readonly synced: number
}

export interface Scanned {
  readonly records: readonly Found[]
  /** Records that were on the disk and are no longer what was written. */
  readonly isDamaged: boolean
  /** It has records that are whole, and say what this version does not know. */
  readonly isUnknown: boolean
  /** Bytes at the end that are no whole record: of what was being written when the journal ended, unless the disk is bad. */
  readonly tornBytes: number
  /** Bytes behind them that were kept for notes, and are not used. */
  readonly roomBytes: number
}

const WINDOW = 256 << 10

/**
 * Reads the records of a segment without the data, but for the last: what was not known to be on the disk when the journal
 * ended is checked whole, and dropped from the first flaw on, for it was never acknowledged.
 */
export async function scanSegment(file: FileHandle): Promise<Scanned> {
  const { size } = await file.stat()
  const bytes = new Window(file)
  const start = await bytes.at(0, SEGMENT_HEAD)
  if (start.length < SEGMENT_HEAD)
    return { records: [], isDamaged: false, isUnknown: false, tornBytes: size, roomBytes: 0 }
  // The checksums of the records say whether this is a journal; a wrong magic number is damage and no reason to give them up.
  // Room that was made a segment of, when the mount was killed before it wrote there.
  const isUnused = start.every((byte) => byte === ROOM)
  const isNamed = isUnused || start.subarray(0, 4).equals(SEGMENT_MAGIC)
  const isBlank = start.every((byte) => byte === 0)
  const salt = start.readUInt32LE(4)
  const found: Found[] = []
  let firstFlaw: number | undefined
  let isUnknown = false
  for (let at = SEGMENT_HEAD; at < size; ) {
    const record = await recordAt(bytes, at, size, salt)
    if (record === 'unknown') isUnknown = true
    else if (record !== undefined) {
      found.push(record)
      at = record.dataAt + record.dataLength
      continue
    }
    firstFlaw ??= at
    at = await bytes.find(RECORD_MAGIC, at + 1, size)
  }
  const synced = found.reduce((most, record) => Math.max(most, record.synced), SEGMENT_HEAD)
  const records = found.filter(({ start }) => start < synced)
  let end = synced
  for (const record of found) {
    if (record.start < synced) continue
    if (record.start !== end || !(await isWhole(file, record))) break
    records.push(record)
    end = record.dataAt + record.dataLength
  }
  const isFlawed = firstFlaw !== undefined && firstFlaw < synced
  const isUnreadable = found.length === 0 && (await looksWhole(bytes, file, size))
  const roomBytes = await roomBehind(file, end, size)
  // With the power the first bytes may go that were ever written to it, and not those behind them.
  const isBegun = isNamed || !isBlank || (await saysSynced(bytes, size))
  const isDamaged = (!isNamed && isBegun) || isFlawed || isUnreadable
  return { records, isDamaged, isUnknown, tornBytes: size - end - roomBytes, roomBytes }
}

async function recordAt(
  bytes: Window,
  start: number,
  size: number,
  salt: number,
): Promise<Found | 'unknown' | undefined> {
  const head = await bytes.at(start, RECORD_HEAD)
  const lengths = recordHead(head)
  if (lengths === undefined) return undefined
  const dataAt = start + RECORD_HEAD + lengths.headerLength
  const { dataLength, dataChecksum } = lengths
  if (dataAt + dataLength > size) return undefined
  const header = await bytes.at(start + RECORD_HEAD, lengths.headerLength)
  const decoded = decodeHeader(head, header, salt)
  if (decoded === undefined || decoded === 'unknown') return decoded
  const { synced, ...record } = decoded
  return { record, start, dataAt, dataLength, dataChecksum, synced }
}

/** Whether anything in it, right or not, says that what stands before was on the disk. */
async function saysSynced(bytes: Window, size: number): Promise<boolean> {
  for (let at = 0; at < size; at++) {
    at = await bytes.find(RECORD_MAGIC, at, size)
    const lengths = recordHead(await bytes.at(at, RECORD_HEAD))
    if (lengths === undefined) continue
    const header = await bytes.at(at + RECORD_HEAD, lengths.headerLength)
    if (syncedIn(header) > SEGMENT_HEAD) return true
  }
  return false
}

/** What the end of a header says, whether its checksum is right or not. */
function syncedIn(header: Buffer): number {
  return Number(/"synced":(\d+)\}$/.exec(header.toString())?.[1] ?? 0)
}

/** A first record of which all is there but that its checksum denies: the salt is wrong. */
async function looksWhole(bytes: Window, file: FileHandle, size: number): Promise<boolean> {
  const lengths = recordHead(await bytes.at(SEGMENT_HEAD, RECORD_HEAD))
  if (lengths === undefined) return false
  const { headerLength } = lengths
  if (syncedIn(await bytes.at(SEGMENT_HEAD + RECORD_HEAD, headerLength)) === 0) return false
  const dataAt = SEGMENT_HEAD + RECORD_HEAD + headerLength
  return dataAt + lengths.dataLength <= size && isWhole(file, { ...lengths, dataAt })
}

/** Whether the bytes of a record are what was written. */
export async function isWhole(
  file: FileHandle,
  record: Pick<Found, 'dataAt' | 'dataLength' | 'dataChecksum'>,
): Promise<boolean> {
  const data = Buffer.alloc(record.dataLength)
  try {
    const { bytesRead } = await file.read(data, 0, data.length, record.dataAt)
    return bytesRead === data.length && checksum([data]) === record.dataChecksum
  } catch (error) {
    if (await isBadSector(file, error)) return false
    throw error
  }
}

async function roomBehind(file: FileHandle, start: number, size: number): Promise<number> {
  for (let end = size; end > start; ) {
    const length = Math.min(WINDOW, end - start)
    const piece = await readAround(file, end - length, length)
    const used = piece.findLastIndex((byte) => byte !== ROOM) + 1
    end -= piece.length - used
    if (used > 0) return size - end
  }
  return size - start
}

/** A file read by windows: most records are short. */
class Window {
  readonly #file: FileHandle
  #start = 0
  #data: Buffer = Buffer.alloc(0)

  constructor(file: FileHandle) {
    this.#file = file
  }

  /** Fewer bytes only at the end of the file. */
  async at(offset: number, length: number): Promise<Buffer> {
    const isHere = offset >= this.#start && offset + length <= this.#start + this.#data.length
    if (!isHere) {
      this.#data = await readAround(this.#file, offset, Math.max(WINDOW, length))
      this.#start = offset
    }
    return this.#data.subarray(offset - this.#start, offset - this.#start + length)
  }

  /** Where these bytes next stand; the end if they do not. */
  async find(bytes: Buffer, from: number, end: number): Promise<number> {
    for (let at = from; at < end; ) {
      const rest = Math.min(end - at, this.#start + this.#data.length - at)
      const here = await this.at(at, rest >= bytes.length ? rest : Math.min(WINDOW, end - at))
      const found = here.indexOf(bytes)
      if (found >= 0) return at + found
      at += Math.max(1, here.length - bytes.length + 1)
    }
    return end
  }
}
