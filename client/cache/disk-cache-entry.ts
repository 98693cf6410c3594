import { crc32 } from 'node:zlib'
import type { WireAttributes } from '../../server/wire/inodes.js'

/** Which content of a file a block belongs to: the time too, for a server of an earlier version may count one twice after loss of power. */
export type ContentKey = Pick<WireAttributes, 'ino' | 'generation' | 'version' | 'mtime' | 'size'>

/** ino, generation, version, size (each 8 bytes), mtime (8), index of the block, length, checksum of data and of this, a mark (each 4) */
export const ENTRY_BYTES = 56
const MARK = 0x43424c4b

const LAST_BLOCK = 2 ** 32 - 1

/** Whether an entry has room for its numbers: not for a block beyond 256 TiB, nor for any time that a server may make up. */
export function canBeEntry({ mtime }: ContentKey, block: number): boolean {
  const time = BigInt(mtime)
  return block <= LAST_BLOCK && BigInt.asIntN(64, time) === time
}

/** What is in a slot. */
export function entryOf(key: ContentKey, block: number, data: Buffer): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES)
  const numbers = [key.ino, key.generation, key.version, key.size]
  for (const [at, number] of numbers.entries()) entry.writeBigUInt64LE(BigInt(number), at * 8)
  entry.writeBigInt64LE(BigInt(key.mtime), 32)
  entry.writeUInt32LE(block, 40)
  entry.writeUInt32LE(data.length, 44)
  entry.writeUInt32LE(checksum(entry, data), 48)
  entry.writeUInt32LE(MARK, 52)
  return entry
}

/** Whether it is a block of this very content. */
export function isOf(entry: Buffer, key: ContentKey): boolean {
  const numbers = [key.ino, key.generation, key.version, key.size]
  return (
    numbers.every((number, at) => readNumber(entry, at * 8) === number) &&
    entry.readBigInt64LE(32) === BigInt(key.mtime)
  )
}

function readNumber(entry: Buffer, at: number): number {
  return Number(entry.readBigUInt64LE(at))
}

/** Whether there is an entry at all. */
export function isWritten(entry: Buffer): boolean {
  return entry.readUInt32LE(52) === MARK
}

/** Whether entry and data are those that were written together. */
export function isIntact(entry: Buffer, data: Buffer): boolean {
  return checksum(entry, data) === entry.readUInt32LE(48)
}

/** Of the entry as far as the checksum, and of the data. */
function checksum(entry: Buffer, data: Buffer): number {
  return crc32(data, crc32(entry.subarray(0, 48)))
}

export function inoOf(entry: Buffer): number {
  return readNumber(entry, 0)
}

export function blockOf(entry: Buffer): number {
  return entry.readUInt32LE(40)
}

export function lengthOf(entry: Buffer): number {
  return entry.readUInt32LE(44)
}
