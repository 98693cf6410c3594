import { isUtf8 } from 'node:buffer'
import { FuseError } from './errno.js'
import type { Handle, Node, SetAttributes } from './filesystem.js'
import { nanoseconds, readUint64, readUnique, type Unique } from './integers.js'
import { type LockFields, lockFields, lockOwner } from './lock.js'
import {
  FATTR,
  FSYNC_FDATASYNC,
  GETATTR_FH,
  IN_HEADER_SIZE,
  OPCODE,
  OPEN_KILL_SUIDGID,
  type OperationName,
  WRITE_CACHE,
  WRITE_KILL_SUIDGID,
} from './protocol.js'

/** struct fuse_in_header */
export interface Header {
  readonly opcode: number
  readonly unique: Unique
  readonly node: Node
  readonly uid: number
  readonly gid: number
  readonly pid: number
}

/** Marks a request whose caller must lose set-user-ID and set-group-ID on the file (FUSE_HANDLE_KILLPRIV_V2). */
interface Killing {
  readonly killPrivileges: boolean
}
interface Opened {
  readonly handle: Handle
}
interface Listing extends Opened {
  readonly offset: number
  readonly size: number
}
interface Named {
  readonly name: string
}

/** What each request says beyond its header. */
export interface Requests {
  init: { major: number; minor: number; maxReadahead: number; flags: bigint }
  lookup: Named
  forget: { count: number }
  batch_forget: { nodes: readonly { node: Node; count: number }[] }
  getattr: { handle: Handle | undefined }
  setattr: { changes: SetAttributes; handle: Handle | undefined } & Killing
  readlink: object
  symlink: Named & { target: string }
  mknod: Named & { mode: number; rdev: number }
  mkdir: Named & { mode: number }
  unlink: Named
  rmdir: Named
  rename: Named & { newParent: Node; newName: string; flags: number }
  rename2: Named & { newParent: Node; newName: string; flags: number }
  link: { source: Node; newName: string }
  open: { flags: number } & Killing
  create: Named & { mode: number; flags: number } & Killing
  tmpfile: { mode: number; flags: number }
  read: Listing
  write: Opened & { offset: number; data: Buffer; fromPages: boolean } & Killing
  statfs: object
  flush: Opened & { lockOwner: string }
  release: Opened
  fsync: Opened & { dataOnly: boolean }
  opendir: object
  readdir: Listing
  readdirplus: Listing
  releasedir: Opened
  fsyncdir: Opened
  getlk: LockFields
  setlk: LockFields
  setlkw: LockFields
  access: { mask: number }
  setxattr: Named & { value: Buffer; flags: number }
  getxattr: Named & { size: number }
  listxattr: { size: number }
  removexattr: Named
  interrupt: { target: Unique }
  fallocate: Opened & { offset: number; length: number; mode: number }
  lseek: Opened & { offset: number; whence: number }
  copy_file_range: {
    from: { handle: Handle; offset: number }
    to: { node: Node; handle: Handle; offset: number }
    length: number
  }
  destroy: object
}

export type Request<Op extends OperationName = OperationName> = {
  [Name in Op]: { readonly op: Name; readonly fields: Requests[Name] }
}[Op]

const NAMES: ReadonlyMap<number, OperationName> = new Map(
  (Object.keys(OPCODE) as OperationName[]).map((op) => [OPCODE[op], op]),
)

export function header(buffer: Buffer): Header {
  return {
    opcode: buffer.readUInt32LE(4),
    unique: readUnique(buffer, 8),
    node: readUint64(buffer, 16),
    uid: buffer.readUInt32LE(24),
    gid: buffer.readUInt32LE(28),
    pid: buffer.readUInt32LE(32),
  }
}

/**
 * The request in the first `length` bytes of `buffer`. Only the `data` of a write still points into the buffer.
 * @throws FuseError ENOSYS for an operation we do not know (the kernel then stops asking), or what else the caller did wrong
 */
export function request(buffer: Buffer, length: number): Request {
  const op = NAMES.get(buffer.readUInt32LE(4))
  if (op === undefined) throw new FuseError('ENOSYS', `operation ${buffer.readUInt32LE(4)}`)
  return decoded(op, buffer.subarray(IN_HEADER_SIZE, length))
}

function decoded<Op extends OperationName>(op: Op, body: Buffer): Request<Op> {
  return { op, fields: FIELDS[op](body) } as Request<Op>
}

/** A name ends with NUL. Names are UTF-8 here, so what is not cannot exist (EILSEQ). */
function text(body: Buffer, at: number): string {
  const end = body.indexOf(0, at)
  const bytes = body.subarray(at, end === -1 ? body.length : end)
  if (!isUtf8(bytes)) throw new FuseError('EILSEQ', 'names must be UTF-8')
  return bytes.toString('utf8')
}

function pair(body: Buffer, at: number): { name: string; next: string } {
  const end = body.indexOf(0, at)
  return { name: text(body, at), next: text(body, end + 1) }
}

/** Past 2^53 no number is exact, and no file of ours is that long. */
function exact(body: Buffer, at: number): number {
  const value = readUint64(body, at)
  if (!Number.isSafeInteger(value)) throw new FuseError('EFBIG', 'an offset beyond 2^53')
  return value
}

/** Where beyond 2^53 means the same as at the end. */
function clamped(body: Buffer, at: number): number {
  return Math.min(readUint64(body, at), Number.MAX_SAFE_INTEGER)
}

/** A range that must end before 2^53. */
function span(offset: number, length: number): { offset: number; length: number } {
  if (!Number.isSafeInteger(offset + length)) throw new FuseError('EFBIG', 'a range beyond 2^53')
  return { offset, length }
}

const opened = (body: Buffer): Opened => ({ handle: readUint64(body, 0) })
const listing = (body: Buffer): Listing => ({
  handle: readUint64(body, 0),
  offset: clamped(body, 8),
  size: body.readUInt32LE(16),
})
const nothing = (): object => ({})
const named = (body: Buffer): Named => ({ name: text(body, 0) })

const FIELDS: { readonly [Op in OperationName]: (body: Buffer) => Requests[Op] } = {
  init: (body) => ({
    major: body.readUInt32LE(0),
    minor: body.readUInt32LE(4),
    maxReadahead: body.readUInt32LE(8),
    flags:
      BigInt(body.readUInt32LE(12)) |
      (body.length >= 20 ? BigInt(body.readUInt32LE(16)) << 32n : 0n),
  }),
  lookup: named,
  forget: (body) => ({ count: readUint64(body, 0) }),
  batch_forget: (body) => ({
    nodes: Array.from({ length: body.readUInt32LE(0) }, (_, index) => ({
      node: readUint64(body, 8 + index * 16),
      count: readUint64(body, 16 + index * 16),
    })),
  }),
  getattr: (body) => ({
    handle: body.readUInt32LE(0) & GETATTR_FH ? readUint64(body, 8) : undefined,
  }),
  setattr: (body) => {
    const valid = body.readUInt32LE(0)
    return {
      changes: changes(body, valid),
      handle: valid & FATTR.FH ? readUint64(body, 8) : undefined,
      killPrivileges: (valid & FATTR.KILL_SUIDGID) !== 0,
    }
  },
  readlink: nothing,
  symlink: (body) => {
    const { name, next } = pair(body, 0)
    return { name, target: next }
  },
  mknod: (body) => ({
    mode: body.readUInt32LE(0),
    rdev: body.readUInt32LE(4),
    name: text(body, 16),
  }),
  mkdir: (body) => ({ mode: body.readUInt32LE(0), name: text(body, 8) }),
  unlink: named,
  rmdir: named,
  rename: (body) => {
    const { name, next } = pair(body, 8)
    return { newParent: readUint64(body, 0), name, newName: next, flags: 0 }
  },
  rename2: (body) => {
    const { name, next } = pair(body, 16)
    return { newParent: readUint64(body, 0), name, newName: next, flags: body.readUInt32LE(8) }
  },
  link: (body) => ({ source: readUint64(body, 0), newName: text(body, 8) }),
  open: (body) => ({
    flags: body.readUInt32LE(0),
    killPrivileges: (body.readUInt32LE(4) & OPEN_KILL_SUIDGID) !== 0,
  }),
  create: (body) => ({
    flags: body.readUInt32LE(0),
    mode: body.readUInt32LE(4),
    killPrivileges: (body.readUInt32LE(12) & OPEN_KILL_SUIDGID) !== 0,
    name: text(body, 16),
  }),
  tmpfile: (body) => ({ flags: body.readUInt32LE(0), mode: body.readUInt32LE(4) }),
  read: listing,
  write: (body) => {
    const { offset, length } = span(exact(body, 8), body.readUInt32LE(16))
    return {
      handle: readUint64(body, 0),
      offset,
      data: body.subarray(40, 40 + length),
      killPrivileges: (body.readUInt32LE(20) & WRITE_KILL_SUIDGID) !== 0,
      fromPages: (body.readUInt32LE(20) & WRITE_CACHE) !== 0,
    }
  },
  statfs: nothing,
  flush: (body) => ({ handle: readUint64(body, 0), lockOwner: lockOwner(body, 16) }),
  release: opened,
  fsync: (body) => ({
    handle: readUint64(body, 0),
    dataOnly: (body.readUInt32LE(8) & FSYNC_FDATASYNC) !== 0,
  }),
  opendir: nothing,
  readdir: listing,
  readdirplus: listing,
  releasedir: opened,
  fsyncdir: opened,
  getlk: lockFields,
  setlk: lockFields,
  setlkw: lockFields,
  access: (body) => ({ mask: body.readUInt32LE(0) }),
  setxattr: (body) => {
    const end = body.indexOf(0, 8)
    return {
      name: text(body, 8),
      value: Buffer.from(body.subarray(end + 1, end + 1 + body.readUInt32LE(0))),
      flags: body.readUInt32LE(4),
    }
  },
  getxattr: (body) => ({ size: body.readUInt32LE(0), name: text(body, 8) }),
  listxattr: (body) => ({ size: body.readUInt32LE(0) }),
  removexattr: named,
  interrupt: (body) => ({ target: readUnique(body, 0) }),
  fallocate: (body) => ({
    handle: readUint64(body, 0),
    ...span(exact(body, 8), exact(body, 16)),
    mode: body.readUInt32LE(24),
  }),
  lseek: (body) => ({
    handle: readUint64(body, 0),
    offset: clamped(body, 8),
    whence: body.readUInt32LE(16),
  }),
  copy_file_range: (body) => ({
    from: { handle: readUint64(body, 0), offset: clamped(body, 8) },
    to: { node: readUint64(body, 16), handle: readUint64(body, 24), offset: exact(body, 32) },
    length: clamped(body, 40),
  }),
  destroy: nothing,
}

function changes(body: Buffer, valid: number): SetAttributes {
  const found: { -readonly [Name in keyof SetAttributes]: SetAttributes[Name] } = {}
  if (valid & FATTR.MODE) found.mode = body.readUInt32LE(68)
  if (valid & FATTR.UID) found.uid = body.readUInt32LE(76)
  if (valid & FATTR.GID) found.gid = body.readUInt32LE(80)
  if (valid & FATTR.SIZE) found.size = exact(body, 16)
  if (valid & FATTR.ATIME) found.atime = time(body, valid & FATTR.ATIME_NOW, 32, 56)
  if (valid & FATTR.MTIME) found.mtime = time(body, valid & FATTR.MTIME_NOW, 40, 60)
  return found
}

function time(body: Buffer, now: number, seconds: number, rest: number): bigint | 'now' {
  if (now !== 0) return 'now'
  return nanoseconds(body.readBigInt64LE(seconds), body.readUInt32LE(rest))
}
