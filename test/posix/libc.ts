import { constants } from 'node:os'
import koffi from 'koffi'

/** The system calls that node:fs does not have, each throwing an error with `code`, as node:fs does. */
const libc = koffi.load('libc.so.6')

/** Where two names share a number, the one node:fs uses. */
const NAMES = new Map([
  ...Object.entries(constants.errno).map(([name, number]): [number, string] => [number, name]),
  [constants.errno.EAGAIN, 'EAGAIN'],
  [constants.errno.EOPNOTSUPP, 'EOPNOTSUPP'],
])

function checked(call: string, result: number | bigint): number {
  if (Number(result) >= 0) return Number(result)
  const code = NAMES.get(koffi.errno()) ?? `errno ${koffi.errno()}`
  throw Object.assign(new Error(`${call}: ${code}`), { code })
}

const AT_FDCWD = -100
export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2
const renameat2_ = libc.func('int renameat2(int, str, int, str, uint)')
export async function renameat2(from: string, to: string, flags: number): Promise<void> {
  checked('renameat2', renameat2_(AT_FDCWD, from, AT_FDCWD, to, flags))
}

export const SEEK_DATA = 3
export const SEEK_HOLE = 4
const lseek_ = libc.func('int64 lseek(int, int64, int)')
export async function lseek(fd: number, offset: number, whence: number): Promise<number> {
  return checked('lseek', lseek_(fd, offset, whence))
}

export const FALLOC_FL_KEEP_SIZE = 1
export const FALLOC_FL_PUNCH_HOLE = 2
export const FALLOC_FL_ZERO_RANGE = 16
const fallocate_ = libc.func('int fallocate(int, int, int64, int64)')
export async function fallocate(
  fd: number,
  mode: number,
  offset: number,
  length: number,
): Promise<void> {
  checked('fallocate', fallocate_(fd, mode, offset, length))
}

const copy_file_range_ = libc.func(
  'int64 copy_file_range(int, int64 *, int, int64 *, size_t, uint)',
)
export async function copy_file_range(from: number, to: number, length: number): Promise<number> {
  return checked('copy_file_range', copy_file_range_(from, null, to, null, length, 0))
}

export const S_IFIFO = 0o010000
const mknod_ = libc.func('int mknod(str, uint, uint64)')
export async function mknod(path: string, mode: number, device = 0): Promise<void> {
  checked('mknod', mknod_(path, mode, device))
}

export const UTIME_NOW = 0x3fffffff
export const UTIME_OMIT = 0x3ffffffe
const utimensat_ = libc.func('int utimensat(int, str, int64 *, int)')
/** `[seconds, nanoseconds]` of the access and of the modification time. */
export async function utimensat(
  path: string,
  atime: readonly [number | bigint, number],
  mtime: readonly [number | bigint, number],
  options: { readonly followLinks: boolean } = { followLinks: true },
): Promise<void> {
  const times = BigInt64Array.from([...atime, ...mtime].map(BigInt))
  const AT_SYMLINK_NOFOLLOW = 0x100
  checked(
    'utimensat',
    utimensat_(AT_FDCWD, path, times, options.followLinks ? 0 : AT_SYMLINK_NOFOLLOW),
  )
}

export const XATTR_CREATE = 1
export const XATTR_REPLACE = 2
const setxattr_ = libc.func('int setxattr(str, str, const uint8_t *, size_t, int)')
export async function setxattr(
  path: string,
  name: string,
  value: string | Buffer,
  flags = 0,
): Promise<void> {
  const bytes = Buffer.from(value)
  checked('setxattr', setxattr_(path, name, bytes, bytes.length, flags))
}

const getxattr_ = libc.func('int64 getxattr(str, str, _Out_ uint8_t *, size_t)')
export async function getxattr(path: string, name: string, size = 65536): Promise<Buffer> {
  const value = Buffer.alloc(size)
  return value.subarray(0, checked('getxattr', getxattr_(path, name, value, size)))
}
/** What getxattr(2) answers to a size of 0: how long the value is. */
export async function xattrSize(path: string, name: string): Promise<number> {
  return checked('getxattr', getxattr_(path, name, Buffer.alloc(0), 0))
}

const listxattr_ = libc.func('int64 listxattr(str, _Out_ uint8_t *, size_t)')
export async function listxattr(path: string, size = 65536): Promise<string[]> {
  const names = Buffer.alloc(size)
  const length = checked('listxattr', listxattr_(path, names, size))
  return names.subarray(0, length).toString().split('\0').slice(0, -1)
}

const removexattr_ = libc.func('int removexattr(str, str)')
export async function removexattr(path: string, name: string): Promise<void> {
  checked('removexattr', removexattr_(path, name))
}

export const MAP_SHARED = 1
export const MAP_PRIVATE = 2
const mmap_ = libc.func('void *mmap(void *, size_t, int, int, int, int64)')
const munmap_ = libc.func('int munmap(void *, size_t)')
const msync_ = libc.func('int msync(void *, size_t, int)')
const read_ = libc.func('memcpy', 'void *', [
  koffi.out(koffi.pointer('uint8_t')),
  'void *',
  'size_t',
])
const write_ = libc.func('memcpy', 'void *', ['void *', 'const uint8_t *', 'size_t'])

export interface Mapping {
  read(length: number): Buffer
  write(bytes: string): void
  msync(): void
  munmap(): void
}

/** The first `length` bytes of an open file in memory, readable and writable. */
export async function mmap(fd: number, length: number, flags: number): Promise<Mapping> {
  const PROT_READ_WRITE = 3
  const address: unknown = mmap_(null, length, PROT_READ_WRITE, flags, fd, 0)
  if (koffi.address(address) === 0xffff_ffff_ffff_ffffn) checked('mmap', -1)
  return {
    read: (count) => {
      const bytes = Buffer.alloc(count)
      read_(bytes, address, count)
      return bytes
    },
    write: (bytes) => {
      write_(address, Buffer.from(bytes), Buffer.byteLength(bytes))
    },
    msync: () => {
      const MS_SYNC = 4
      checked('msync', msync_(address, length, MS_SYNC))
    },
    munmap: () => {
      checked('munmap', munmap_(address, length))
    },
  }
}

export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4
export const LOCK_UN = 8
const flock_ = libc.func('int flock(int, int)')
export async function flock(fd: number, operation: number): Promise<void> {
  checked('flock', flock_(fd, operation))
}

export const F_RDLCK = 0
export const F_WRLCK = 1
const fcntl_ = libc.func('int fcntl(int, int, ...)')
/** A record lock that is taken at once or not at all (F_SETLK): struct flock of a 64-bit Linux. */
export async function setlk(
  fd: number,
  type: number,
  start: number,
  length: number,
): Promise<void> {
  const lock = Buffer.alloc(32)
  lock.writeInt16LE(type, 0)
  lock.writeBigInt64LE(BigInt(start), 8)
  lock.writeBigInt64LE(BigInt(length), 16)
  const F_SETLK = 6
  checked('fcntl', fcntl_(fd, F_SETLK, 'uint8_t *', lock))
}

const linkat_ = libc.func('int linkat(int, str, int, str, int)')
/** Names an open file that has no name, as open(2) shows it: by way of /proc, for which no privilege is needed. */
export async function linkOpen(fd: number, path: string): Promise<void> {
  const AT_SYMLINK_FOLLOW = 0x400
  checked('linkat', linkat_(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
}

const umask_ = libc.func('uint umask(uint)')
/** The file mode mask of this process, for the time of one call. */
export async function withUmask<T>(mask: number, call: () => Promise<T>): Promise<T> {
  const before: number = umask_(mask)
  try {
    return await call()
  } finally {
    umask_(before)
  }
}
