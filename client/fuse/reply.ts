import type {
  FuseAttributes,
  FuseDirectoryEntry,
  FuseDirectoryEntryPlus,
  FuseEntry,
  FuseOpen,
  FuseStatfs,
  Node,
} from './filesystem.js'
import { type Unique, writeUint32, writeUint64 } from './integers.js'
import {
  ATTR_OUT_SIZE,
  DIRENT_SIZE,
  ENTRY_OUT_SIZE,
  FOPEN,
  INIT_OUT_SIZE,
  KERNEL_MINOR_VERSION,
  KERNEL_VERSION,
  MAX_PAGES,
  MAX_WRITE,
  NOTIFY,
  OPEN_OUT_SIZE,
  OUT_HEADER_SIZE,
  STATFS_OUT_SIZE,
} from './protocol.js'

/**
 * Structures the kernel reads. Each function writes one into `out` at `at` and returns where it ends; what it does not
 * write it sets to zero, for `out` is used again and again.
 */

export function outHeader(out: Buffer, length: number, error: number, unique: Unique): void {
  writeUint32(out, length, 0)
  writeUint32(out, error >>> 0, 4)
  writeUint32(out, unique.low, 8)
  writeUint32(out, unique.high, 12)
}

/** Requests in flight that nobody waits for, such as read-ahead; over three quarters of it the kernel calls us congested. */
const MAX_BACKGROUND = 64

export function initOut(
  out: Buffer,
  at: number,
  agreed: { maxReadahead: number; flags: bigint },
): number {
  out.fill(0, at, at + INIT_OUT_SIZE)
  writeUint32(out, KERNEL_VERSION, at)
  writeUint32(out, KERNEL_MINOR_VERSION, at + 4)
  writeUint32(out, agreed.maxReadahead, at + 8)
  writeUint32(out, Number(agreed.flags & 0xffff_ffffn), at + 12)
  out.writeUInt16LE(MAX_BACKGROUND, at + 16)
  out.writeUInt16LE((MAX_BACKGROUND * 3) / 4, at + 18)
  writeUint32(out, MAX_WRITE, at + 20)
  writeUint32(out, 1, at + 24) // time_gran: one nanosecond
  out.writeUInt16LE(MAX_PAGES, at + 28)
  writeUint32(out, Number(agreed.flags >> 32n), at + 32)
  return at + INIT_OUT_SIZE
}

/** struct fuse_attr */
function attributes(out: Buffer, at: number, from: FuseAttributes): number {
  const { atime, mtime, ctime } = from
  writeUint64(out, from.ino, at)
  writeUint64(out, from.size, at + 8)
  writeUint64(out, from.blocks, at + 16)
  writeUint64(out, atime.seconds, at + 24)
  writeUint64(out, mtime.seconds, at + 32)
  writeUint64(out, ctime.seconds, at + 40)
  writeUint32(out, atime.nanoseconds, at + 48)
  writeUint32(out, mtime.nanoseconds, at + 52)
  writeUint32(out, ctime.nanoseconds, at + 56)
  writeUint32(out, from.mode, at + 60)
  writeUint32(out, from.nlink, at + 64)
  writeUint32(out, from.uid, at + 68)
  writeUint32(out, from.gid, at + 72)
  writeUint32(out, from.rdev, at + 76)
  writeUint32(out, from.blksize, at + 80)
  writeUint32(out, 0, at + 84)
  return at + 88
}

/** Longer than a mount lives, and short enough for the kernel to add to its clock. */
const LONGEST_SECONDS = 2 ** 31

function timeout(milliseconds: number): { seconds: number; nanoseconds: number } {
  const bounded = Math.min(Math.max(milliseconds, 0), LONGEST_SECONDS * 1000)
  const seconds = Math.floor(bounded / 1000)
  return { seconds, nanoseconds: Math.floor((bounded - seconds * 1000) * 1e6) }
}

/** struct fuse_entry_out */
export function entryOut(out: Buffer, at: number, entry: FuseEntry): number {
  const entryValid = timeout(entry.validMilliseconds)
  const attrValid = timeout(entry.attributes.validMilliseconds)
  writeUint64(out, entry.node, at)
  writeUint64(out, entry.generation, at + 8)
  writeUint64(out, entryValid.seconds, at + 16)
  writeUint64(out, attrValid.seconds, at + 24)
  writeUint32(out, entryValid.nanoseconds, at + 32)
  writeUint32(out, attrValid.nanoseconds, at + 36)
  return attributes(out, at + 40, entry.attributes)
}

/** A fuse_entry_out that says the name does not exist, and for how long that may be believed. */
export function negativeEntryOut(out: Buffer, at: number, milliseconds: number): number {
  const valid = timeout(milliseconds)
  out.fill(0, at, at + ENTRY_OUT_SIZE)
  writeUint64(out, valid.seconds, at + 16)
  writeUint32(out, valid.nanoseconds, at + 32)
  return at + ENTRY_OUT_SIZE
}

/** struct fuse_attr_out */
export function attrOut(out: Buffer, at: number, from: FuseAttributes): number {
  const valid = timeout(from.validMilliseconds)
  writeUint64(out, valid.seconds, at)
  writeUint32(out, valid.nanoseconds, at + 8)
  writeUint32(out, 0, at + 12)
  return attributes(out, at + ATTR_OUT_SIZE - 88, from)
}

/** struct fuse_open_out */
export function openOut(
  out: Buffer,
  at: number,
  open: FuseOpen,
  kind: 'file' | 'directory',
): number {
  const keep = kind === 'file' ? FOPEN.KEEP_CACHE : FOPEN.KEEP_CACHE | FOPEN.CACHE_DIR
  const direct = open.directIo ? FOPEN.DIRECT_IO : 0
  const quiet = open.noFlush === true ? FOPEN.NOFLUSH : 0
  writeUint64(out, open.handle, at)
  writeUint32(out, (open.keepCache ? keep : 0) | direct | quiet, at + 8)
  writeUint32(out, 0, at + 12)
  return at + OPEN_OUT_SIZE
}

/** struct fuse_statfs_out */
export function statfsOut(out: Buffer, at: number, from: FuseStatfs): number {
  out.fill(0, at, at + STATFS_OUT_SIZE)
  writeUint64(out, from.blocks, at)
  writeUint64(out, from.bfree, at + 8)
  writeUint64(out, from.bavail, at + 16)
  writeUint64(out, from.files, at + 24)
  writeUint64(out, from.ffree, at + 32)
  writeUint32(out, from.bsize, at + 40)
  writeUint32(out, from.namelen, at + 44)
  writeUint32(out, from.bsize, at + 48) // frsize
  return at + STATFS_OUT_SIZE
}

/** fuse_write_out and fuse_getxattr_out: one 32-bit count. */
export function countOut(out: Buffer, at: number, count: number): number {
  writeUint32(out, count, at)
  writeUint32(out, 0, at + 4)
  return at + 8
}

/** struct fuse_lseek_out */
export function offsetOut(out: Buffer, at: number, offset: number): number {
  writeUint64(out, offset, at)
  return at + 8
}

const align = (length: number): number => Math.ceil(length / 8) * 8

/** struct fuse_dirent, padded to eight bytes. */
function dirent(out: Buffer, at: number, entry: FuseDirectoryEntry, nameLength: number): number {
  writeUint64(out, entry.ino, at)
  writeUint64(out, entry.offset, at + 8)
  writeUint32(out, nameLength, at + 16)
  writeUint32(out, (entry.type & 0o170000) >>> 12, at + 20) // DT_… of S_IF…
  out.write(entry.name, at + DIRENT_SIZE, 'utf8')
  const end = at + align(DIRENT_SIZE + nameLength)
  out.fill(0, at + DIRENT_SIZE + nameLength, end)
  return end
}

/**
 * Memory for entries, each with so many bytes before its name. The kernel has room for far more than most directories have: to
 * take all of that each time would keep the garbage collector busy.
 */
function room(size: number, entries: readonly FuseDirectoryEntry[], before: number): Buffer {
  let needed = 0
  for (const { name } of entries) needed += align(before + Buffer.byteLength(name))
  return Buffer.allocUnsafe(Math.min(size, needed))
}

/** As many entries as fit into `size` bytes. */
export function direntsOut(size: number, entries: readonly FuseDirectoryEntry[]): Buffer {
  const out = room(size, entries, DIRENT_SIZE)
  let at = 0
  for (const entry of entries) {
    const nameLength = Buffer.byteLength(entry.name)
    if (at + align(DIRENT_SIZE + nameLength) > size) break
    at = dirent(out, at, entry, nameLength)
  }
  return out.subarray(0, at)
}

export const isDotEntry = (name: string): boolean => name === '.' || name === '..'

/** As direntsOut, with attributes; `taken` says how many fitted. "." and ".." come without: the kernel ignores theirs. */
export function direntsPlusOut(
  size: number,
  entries: readonly FuseDirectoryEntryPlus[],
): { data: Buffer; taken: number } {
  const out = room(size, entries, ENTRY_OUT_SIZE + DIRENT_SIZE)
  let at = 0
  let taken = 0
  for (const entry of entries) {
    const nameLength = Buffer.byteLength(entry.name)
    if (at + ENTRY_OUT_SIZE + align(DIRENT_SIZE + nameLength) > size) break
    at = isDotEntry(entry.name) ? negativeEntryOut(out, at, 0) : entryOut(out, at, entry.entry)
    at = dirent(out, at, entry, nameLength)
    taken++
  }
  return { data: out.subarray(0, at), taken }
}

const EXPIRE_ONLY = 1
/** What the kernel has not asked for. */
const UNASKED: Unique = { low: 0, high: 0 }

/**
 * A whole FUSE_NOTIFY_INVAL_ENTRY message.
 * @param expireOnly the name is asked for again when it is next used; otherwise it is gone at once, and a program that has a
 *   directory of that name as its own loses its getcwd(2) even if the directory is still there
 */
export function invalidateEntryMessage(parent: Node, name: string, expireOnly: boolean): Buffer {
  const bytes = Buffer.from(name)
  const out = Buffer.alloc(OUT_HEADER_SIZE + 16 + bytes.length + 1)
  outHeader(out, out.length, NOTIFY.INVAL_ENTRY, UNASKED)
  writeUint64(out, parent, OUT_HEADER_SIZE)
  writeUint32(out, bytes.length, OUT_HEADER_SIZE + 8)
  writeUint32(out, expireOnly ? EXPIRE_ONLY : 0, OUT_HEADER_SIZE + 12)
  bytes.copy(out, OUT_HEADER_SIZE + 16)
  return out
}

/** A whole FUSE_NOTIFY_INVAL_INODE message. */
export function invalidateInodeMessage(node: Node, offset: number, length: number): Buffer {
  const out = Buffer.alloc(OUT_HEADER_SIZE + 24)
  outHeader(out, out.length, NOTIFY.INVAL_INODE, UNASKED)
  writeUint64(out, node, OUT_HEADER_SIZE)
  writeUint64(out, offset, OUT_HEADER_SIZE + 8)
  writeUint64(out, length, OUT_HEADER_SIZE + 16)
  return out
}
