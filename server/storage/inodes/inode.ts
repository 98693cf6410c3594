import { type InodeRow, rowWith } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import type { FileType } from '../../wire/inodes.js'
import { STORED } from '../content/stored.js'
import { nanoseconds, type Timespec } from '../parts/clock.js'
import type { Engine } from '../parts/engine.js'
import type { Inode } from '../storage.js'

/** File type bits of st_mode (inode(7)). */
export const S_IFMT = 0o170000
export const TYPE_BITS = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  chardev: 0o020000,
  blockdev: 0o060000,
} as const satisfies Record<FileType, number>

const S_ISUID = 0o4000
export const S_ISGID = 0o2000
const S_IXGRP = 0o0010
export const PERMISSIONS = 0o7777

const TYPES: ReadonlyMap<number, FileType> = new Map(
  Object.entries(TYPE_BITS).map(([type, bits]) => [bits, type as FileType]),
)

export function typeOf(row: { readonly mode: number }): FileType {
  const type = TYPES.get(row.mode & S_IFMT)
  if (type === undefined) throw new FileError('EIO', 'an inode has no type; run coffer-server fsck')
  return type
}

export function isDirectory(row: { readonly mode: number }): boolean {
  return (row.mode & S_IFMT) === TYPE_BITS.directory
}

export function toInode(row: InodeRow): Inode {
  const inode = {
    ino: row.ino,
    type: typeOf(row),
    mode: row.mode & PERMISSIONS,
    uid: row.uid,
    gid: row.gid,
    nlink: row.nlink,
    size: row.size,
    rdev: row.rdev,
    atime: nanoseconds(row.atime_sec, row.atime_nsec),
    mtime: nanoseconds(row.mtime_sec, row.mtime_nsec),
    ctime: nanoseconds(row.ctime_sec, row.ctime_nsec),
    crtime: nanoseconds(row.crtime_sec, row.crtime_nsec),
    version: row.version,
    generation: row.generation,
    permissions: row.permissions,
  }
  if (row.target !== null) return { ...inode, target: row.target }
  const allocated = allocatedBytes(row)
  return allocated === null ? inode : { ...inode, allocated }
}

/** Inodes of rows that stay at hand, so that what is made of an inode can stay at hand with it. */
const inodes = new WeakMap<InodeRow, Inode>()

/** The same for the same row: for rows that are read again and again. */
export function knownInode(row: InodeRow): Inode {
  const known = inodes.get(row)
  if (known !== undefined) return known
  const inode = toInode(row)
  inodes.set(row, inode)
  return inode
}

/** Bytes that a content with holes takes; null if it has none. */
function allocatedBytes({ mode, stored, size, allocated }: InodeRow): number | null {
  const isHole = stored === STORED.nowhere && size > 0 && (mode & S_IFMT) === TYPE_BITS.file
  return isHole ? 0 : allocated
}

/** Columns of the times that a change sets. */
export function changed(now: Timespec) {
  return { ctime_sec: now.sec, ctime_nsec: now.nsec }
}

export function modified(now: Timespec) {
  const { sec, nsec } = now
  return { ctime_sec: sec, ctime_nsec: nsec, mtime_sec: sec, mtime_nsec: nsec }
}

/** Columns of mode and owner as they are set: to what they were, too. */
export function permitted(row: InodeRow, set: Partial<Pick<InodeRow, 'mode' | 'uid' | 'gid'>>) {
  return { ...set, permissions: row.permissions + 1 }
}

/** What a write by whom we do not know leaves of the mode. */
export function unprivileged(row: InodeRow) {
  const mode = withoutPrivileges(row.mode)
  return mode === row.mode ? {} : permitted(row, { mode })
}

/** A row that has another content from now on. */
export function withContent(
  engine: Engine,
  row: InodeRow,
  now: Timespec,
  content: Pick<InodeRow, 'size' | 'allocated'> & Partial<Pick<InodeRow, 'stored' | 'generation'>>,
): InodeRow {
  const version = engine.versions.after(row.version)
  return rowWith(row, modified(now), unprivileged(row), content, { version })
}

/** Mode after a write or chown(2) by whom we do not know: no set-user-ID, and no set-group-ID that would act. */
export function withoutPrivileges(mode: number): number {
  if ((mode & S_IFMT) !== TYPE_BITS.file) return mode
  const kept = mode & ~S_ISUID
  return kept & S_IXGRP ? kept & ~S_ISGID : kept
}
