/** Numbers of linux/fuse.h, spelled as there without the FUSE_ prefix. */

export const KERNEL_VERSION = 7
/** The version of linux/fuse.h these structs are of; what a newer kernel adds is agreed on by flags. */
export const KERNEL_MINOR_VERSION = 38
/** From here on (Linux 3.15) fuse_init_out has its present size. */
export const OLDEST_MINOR_VERSION = 23
export const ROOT_ID = 1

export const IN_HEADER_SIZE = 40
export const OUT_HEADER_SIZE = 16
export const ENTRY_OUT_SIZE = 128
export const ATTR_OUT_SIZE = 104
export const OPEN_OUT_SIZE = 16
export const INIT_OUT_SIZE = 64
export const STATFS_OUT_SIZE = 80
/** struct fuse_dirent without the name. */
export const DIRENT_SIZE = 24

/** One request carries at most this much: 256 pages. */
export const MAX_WRITE = 1 << 20
export const MAX_PAGES = 256
/** What read(2) on the device must offer: the largest write with its headers, rounded up to a page. */
export const REQUEST_SIZE = MAX_WRITE + 4096

export const OPCODE = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  getlk: 31,
  setlk: 32,
  setlkw: 33,
  access: 34,
  create: 35,
  interrupt: 36,
  destroy: 38,
  batch_forget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copy_file_range: 47,
  tmpfile: 51,
} as const
export type OperationName = keyof typeof OPCODE

/** What the kernel may tell us unasked to drop: sent with unique 0 and the code as error. */
export const NOTIFY = { INVAL_INODE: 2, INVAL_ENTRY: 3 } as const

/** fuse_setattr_in.valid */
export const FATTR = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  KILL_SUIDGID: 1 << 11,
} as const

export const GETATTR_FH = 1 << 0
export const FSYNC_FDATASYNC = 1 << 0
export const WRITE_CACHE = 1 << 0
export const WRITE_KILL_SUIDGID = 1 << 2
export const OPEN_KILL_SUIDGID = 1 << 0

export const FOPEN = {
  DIRECT_IO: 1 << 0,
  KEEP_CACHE: 1 << 1,
  CACHE_DIR: 1 << 3,
  NOFLUSH: 1 << 5,
} as const

/** Flags of INIT that we know; bits from 32 on travel in flags2. */
export const INIT = {
  ASYNC_READ: 1n << 0n,
  POSIX_LOCKS: 1n << 1n,
  ATOMIC_O_TRUNC: 1n << 3n,
  BIG_WRITES: 1n << 5n,
  FLOCK_LOCKS: 1n << 10n,
  DO_READDIRPLUS: 1n << 13n,
  READDIRPLUS_AUTO: 1n << 14n,
  ASYNC_DIO: 1n << 15n,
  PARALLEL_DIROPS: 1n << 18n,
  MAX_PAGES: 1n << 22n,
  CACHE_SYMLINKS: 1n << 23n,
  HANDLE_KILLPRIV_V2: 1n << 28n,
  INIT_EXT: 1n << 30n,
  /** Offered: a name can be let expire without tearing it from who stands in there. */
  HAS_EXPIRE_ONLY: 1n << 35n,
  DIRECT_IO_ALLOW_MMAP: 1n << 36n,
} as const
