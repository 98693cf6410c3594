import { FuseError } from './errno.js'
import type { FileLock, Handle, LockChange } from './filesystem.js'
import { readUint64, writeUint32, writeUint64 } from './integers.js'

/** Locks as the kernel writes them: struct fuse_lk_in and fuse_file_lock of linux/fuse.h. */

/** What GETLK, SETLK and SETLKW say. */
export interface LockFields {
  readonly handle: Handle
  readonly change: LockChange
}

/** fuse_lk_in.lk_flags */
const LK_FLOCK = 1 << 0
/** fcntl(2) l_type, in this order. */
const TYPES = ['read', 'write', 'none'] as const
/** A lock up to the last byte a file could have, which is beyond what a number holds exactly. */
const TO_THE_END = Number.MAX_SAFE_INTEGER
export const LK_OUT_SIZE = 24

export function lockFields(body: Buffer): LockFields {
  const type = TYPES[body.readUInt32LE(32)]
  if (type === undefined) throw new FuseError('EINVAL', 'no type of lock')
  const start = readUint64(body, 16)
  if (start > TO_THE_END) throw new FuseError('EOVERFLOW', 'a lock beyond 2^53')
  return {
    handle: readUint64(body, 0),
    change: {
      space: body.readUInt32LE(40) & LK_FLOCK ? 'flock' : 'posix',
      owner: lockOwner(body, 8),
      start,
      end: Math.min(readUint64(body, 24), TO_THE_END),
      type,
      pid: body.readUInt32LE(36),
    },
  }
}

/** A number of 64 bits that stands for a process or an open file. */
export function lockOwner(body: Buffer, at: number): string {
  return body.toString('hex', at, at + 8)
}

/** struct fuse_lk_out: what is in the way, or F_UNLCK. */
export function lkOut(out: Buffer, at: number, lock: FileLock | undefined): number {
  out.fill(0, at, at + LK_OUT_SIZE)
  writeUint32(out, TYPES.indexOf(lock?.type ?? 'none'), at + 16)
  if (lock === undefined) return at + LK_OUT_SIZE
  writeUint64(out, lock.start, at)
  if (lock.end === TO_THE_END) out.writeBigUInt64LE(0x7fff_ffff_ffff_ffffn, at + 8)
  else writeUint64(out, lock.end, at + 8)
  writeUint32(out, lock.pid, at + 20)
  return at + LK_OUT_SIZE
}
