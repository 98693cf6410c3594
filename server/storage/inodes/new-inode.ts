import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import type { FileType } from '../../wire/inodes.js'
import { STORED, type Stored } from '../content/stored.js'
import { type Timespec, timespec } from '../parts/clock.js'
import type { Engine, TreeId } from '../parts/engine.js'
import type { NewAttributes, NewInode } from '../storage.js'
import { PERMISSIONS, S_ISGID, TYPE_BITS } from './inode.js'
import { claim } from './reservations.js'

/** A symlink's text is at most this long (PATH_MAX, less its NUL). */
const TARGET_MAX = 4095

const NOTHING: Buffer = Buffer.alloc(0)

/** What a new inode is made of, before it has its number and its place. */
export interface Draft {
  readonly type: FileType
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly atime: Timespec
  readonly mtime: Timespec
  readonly size: number
  readonly rdev: number
  readonly target: string | null
  readonly generation: number
  readonly stored: Stored
  readonly allocated: number | null
  /** The content, if it goes into the database. */
  readonly small?: Buffer | undefined
}

/** @param generation of the content a file has, or may get */
export function draft(
  what: NewInode,
  attributes: NewAttributes,
  now: Timespec,
  generation: number,
  content = NOTHING,
): Draft {
  const { target, rdev } = special(what)
  checkAttributes(attributes)
  return {
    type: what.type,
    mode: what.type === 'symlink' ? 0o777 : attributes.mode,
    uid: attributes.uid,
    gid: attributes.gid,
    atime: attributes.atime === undefined ? now : checkedTime(attributes.atime),
    mtime: attributes.mtime === undefined ? now : checkedTime(attributes.mtime),
    size: target === null ? content.length : Buffer.byteLength(target),
    rdev,
    target,
    generation,
    stored: content.length === 0 ? STORED.nowhere : STORED.database,
    allocated: null,
    small: content.length === 0 ? undefined : content,
  }
}

/** Within a transaction: inserts a new inode. `ino` is a fresh number, unless the caller asked for a reserved one. */
export function insertInode(
  engine: Engine,
  tree: TreeId,
  draft: Draft,
  number: { readonly fresh: number } | { readonly reserved: number },
  now: Timespec,
): InodeRow {
  const ino = 'reserved' in number ? number.reserved : number.fresh
  if ('reserved' in number) claim(engine, tree, ino)
  const { atime, mtime } = draft
  const row: InodeRow = {
    ino,
    tree: tree.id,
    mode: TYPE_BITS[draft.type] | (draft.mode & PERMISSIONS),
    uid: draft.uid,
    gid: draft.gid,
    nlink: draft.type === 'directory' ? 2 : 1,
    size: draft.size,
    rdev: draft.rdev,
    atime_sec: atime.sec,
    atime_nsec: atime.nsec,
    mtime_sec: mtime.sec,
    mtime_nsec: mtime.nsec,
    ctime_sec: now.sec,
    ctime_nsec: now.nsec,
    crtime_sec: now.sec,
    crtime_nsec: now.nsec,
    version: 1,
    generation: draft.generation,
    stored: draft.stored,
    allocated: draft.allocated,
    target: draft.target,
    permissions: 0,
  }
  engine.sql.insertInode.run(row)
  if (draft.small !== undefined) engine.sql.setSmallContent.run(row.ino, draft.small)
  return row
}

/** In a set-group-ID directory, what is new belongs to its group, and directories pass that on (inode(7)). */
export function inherited(draft: Draft, directory: InodeRow): Draft {
  if ((directory.mode & S_ISGID) === 0) return draft
  const mode = draft.type === 'directory' ? draft.mode | S_ISGID : draft.mode
  return { ...draft, gid: directory.gid, mode }
}

/** @throws EINVAL */
export function checkAttributes(attributes: {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
}): void {
  const { mode, uid, gid } = attributes
  if (mode !== undefined && (!Number.isInteger(mode) || mode < 0 || mode > PERMISSIONS)) {
    throw new FileError('EINVAL', 'mode must be permission bits from 0 to 07777')
  }
  for (const id of [uid, gid]) {
    if (id !== undefined && (!Number.isInteger(id) || id < 0 || id > ID_MAX)) {
      throw new FileError('EINVAL', `uid and gid must be integers from 0 to ${ID_MAX}`)
    }
  }
}

/** (uid_t) -1 means "leave it" (chown(2)), so it is nobody's. */
const ID_MAX = 0xff_ff_ff_fe
/** makedev(3) as the kernel passes it on: 32 bits. */
const RDEV_MAX = 0xff_ff_ff_ff

/** A time whose seconds are exact in the database. @throws EINVAL */
export function checkedTime(time: bigint): Timespec {
  const split = timespec(time)
  if (!Number.isSafeInteger(split.sec)) throw new FileError('EINVAL', 'this time is out of range')
  return split
}

function special(what: NewInode): { target: string | null; rdev: number } {
  if (what.type === 'symlink') {
    const bytes = Buffer.byteLength(what.target)
    if (bytes === 0) throw new FileError('ENOENT', 'the text of a symlink must not be empty')
    if (bytes > TARGET_MAX) {
      throw new FileError('ENAMETOOLONG', `the text of a symlink is at most ${TARGET_MAX} bytes`)
    }
    if (what.target.includes('\0') || !what.target.isWellFormed()) {
      throw new FileError('EILSEQ', 'the text of a symlink must be UTF-8 without NUL')
    }
    return { target: what.target, rdev: 0 }
  }
  if (what.type === 'chardev' || what.type === 'blockdev') {
    if (!Number.isInteger(what.rdev) || what.rdev < 0 || what.rdev > RDEV_MAX) {
      throw new FileError('EINVAL', `rdev must be an integer from 0 to ${RDEV_MAX}`)
    }
    return { target: null, rdev: what.rdev }
  }
  return { target: null, rdev: 0 }
}
