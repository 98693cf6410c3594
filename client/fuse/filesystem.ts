import type { Timespec } from './integers.js'
import type { Soon } from './soon.js'

/**
 * What a binding (the kernel's protocol, or fuse-native) calls and a file system implements: one method per operation
 * of fuse(4), inode by inode. An error, thrown or of a promise, whose `code` is an errno name becomes that errno; anything
 * else becomes EIO. Nothing here knows the Coffer server.
 */
export interface FileSystem {
  /**
   * The file system itself takes set-user-ID and set-group-ID from a file: on every change of owner, and when `context.killPrivileges`
   * says so (FUSE_HANDLE_KILLPRIV_V2). Else the kernel does it, and asks for the xattr `security.capability` before every write.
   */
  readonly killsPrivileges?: true
  /** After the handshake; `kernel` can invalidate what the kernel caches. */
  init?(kernel: Kernel): void
  lookup(parent: Node, name: string, context: Context): Soon<FuseEntry>
  /** The kernel gives back `count` references that lookup, create, mkdir, … and readdirplus made. No answer. */
  forget(node: Node, count: number): void
  getattr(node: Node, handle: Handle | undefined, context: Context): Soon<FuseAttributes>
  setattr(
    node: Node,
    changes: SetAttributes,
    handle: Handle | undefined,
    context: Context,
  ): Promise<FuseAttributes>
  readlink(node: Node, context: Context): Promise<string>
  symlink(parent: Node, name: string, target: string, context: Context): Promise<FuseEntry>
  mknod(
    parent: Node,
    name: string,
    mode: number,
    rdev: number,
    context: Context,
  ): Promise<FuseEntry>
  mkdir(parent: Node, name: string, mode: number, context: Context): Promise<FuseEntry>
  unlink(parent: Node, name: string, context: Context): Promise<void>
  rmdir(parent: Node, name: string, context: Context): Promise<void>
  /** `flags` as renameat2(2): RENAME_NOREPLACE 1, RENAME_EXCHANGE 2. */
  rename(
    parent: Node,
    name: string,
    newParent: Node,
    newName: string,
    flags: number,
    context: Context,
  ): Promise<void>
  link(node: Node, newParent: Node, newName: string, context: Context): Promise<FuseEntry>
  /** `flags` may have O_TRUNC: the file system truncates (FUSE_ATOMIC_O_TRUNC). */
  open(node: Node, flags: number, context: Context): Soon<FuseOpen>
  create(
    parent: Node,
    name: string,
    mode: number,
    flags: number,
    context: Context,
  ): Soon<FuseCreated>
  /** open(2) with `O_TMPFILE`: a file without a name, which `link` may give it (Linux 6.1). */
  tmpfile?(parent: Node, mode: number, flags: number, context: Context): Promise<FuseCreated>
  read(node: Node, handle: Handle, offset: number, size: number, context: Context): Promise<Buffer>
  /**
   * `data` is only valid until the write is answered, and less than SHORT_WRITE bytes only until the call returns: copy what
   * is kept.
   */
  write(node: Node, handle: Handle, offset: number, data: Buffer, context: Context): Soon<number>
  statfs(node: Node, context: Context): Promise<FuseStatfs>
  /** close(2) of one descriptor; `lockOwner`, the process, loses its locks of fcntl(2) on the file. */
  flush(node: Node, handle: Handle, context: Context, lockOwner?: string): Soon<void>
  release(node: Node, handle: Handle, context: Context): Soon<void>
  fsync(node: Node, handle: Handle, dataOnly: boolean, context: Context): Promise<void>
  opendir(node: Node, context: Context): Soon<FuseOpen>
  /** Entries from `offset` on (0 is the start); the binding takes as many as fit and asks again after the last one's offset. */
  readdir(
    node: Node,
    handle: Handle,
    offset: number,
    size: number,
    context: Context,
  ): Promise<readonly FuseDirectoryEntry[]>
  /**
   * As readdir, each with the attributes and a reference that `forget` gives back; except "." and "..", which carry none.
   * The binding at once forgets those that did not fit.
   */
  readdirplus?(
    node: Node,
    handle: Handle,
    offset: number,
    size: number,
    context: Context,
  ): Promise<readonly FuseDirectoryEntryPlus[]>
  releasedir(node: Node, handle: Handle, context: Context): Soon<void>
  fsyncdir(node: Node, handle: Handle, context: Context): Promise<void>
  access(node: Node, mask: number, context: Context): Soon<void>
  /** `flags` as setxattr(2): XATTR_CREATE 1, XATTR_REPLACE 2. */
  setxattr(node: Node, name: string, value: Buffer, flags: number, context: Context): Promise<void>
  /** Undefined: it has none of that name, which is what the kernel hears most often, and costs less than an error. */
  getxattr(node: Node, name: string, context: Context): Soon<Buffer | undefined>
  listxattr(node: Node, context: Context): Promise<readonly string[]>
  removexattr(node: Node, name: string, context: Context): Promise<void>
  /**
   * Locks of fcntl(2) and flock(2), which go when their open file is released. Without them the kernel keeps locks for this mount alone.
   * @returns what keeps the lock from being had
   */
  getlk?(
    node: Node,
    handle: Handle,
    wanted: LockChange,
    context: Context,
  ): Promise<FileLock | undefined>
  /** `waiting`: for as long as somebody else holds a lock, or until the signal aborts; else EAGAIN. */
  setlk?(
    node: Node,
    handle: Handle,
    change: LockChange,
    way: 'at once' | 'waiting',
    context: Context,
  ): Soon<void>
  fallocate?(
    node: Node,
    handle: Handle,
    offset: number,
    length: number,
    mode: number,
    context: Context,
  ): Promise<void>
  lseek?(
    node: Node,
    handle: Handle,
    offset: number,
    whence: number,
    context: Context,
  ): Promise<number>
  copyFileRange?(
    from: { node: Node; handle: Handle; offset: number },
    to: { node: Node; handle: Handle; offset: number },
    length: number,
    context: Context,
  ): Promise<number>
  /** An operation failed with something that names no errno, which the program sees as EIO: for the log. */
  failed?(operation: string, error: unknown): void
  /**
   * The mount is gone: unmounted by us or by somebody else. No release comes any more for what is still open; every
   * other operation under way has settled.
   */
  destroy?(): Promise<void>
}

/** Shorter writes do not keep the buffer they came in: copying costs less than another buffer of a MiB. */
export const SHORT_WRITE = 32 * 1024

/** The kernel's node number; 1 is the root (FUSE_ROOT_ID). */
export type Node = number
/** What open, create and opendir chose to know the open file by. */
export type Handle = number

/** Who asks. `signal` is aborted when the program is told to end, or, where it waits for a lock, by any signal to it. */
export interface Context {
  readonly uid: number
  readonly gid: number
  readonly pid: number
  readonly signal: AbortSignal
  /** See `killsPrivileges`. */
  readonly killPrivileges?: boolean
  /**
   * A write of mapped pages (FUSE_WRITE_CACHE): through whichever handle the kernel had at hand, so its flags do not count, and
   * O_APPEND least of all.
   */
  readonly fromPages?: boolean
  /** Calls back once the kernel has the answer and nobody needs its bytes any more. */
  afterwards?(work: () => void): void
}

/** Nanoseconds since the epoch. */
export type Nanoseconds = bigint

/** struct fuse_attr, with the timeout the kernel may keep it for, in milliseconds. */
export interface FuseAttributes {
  readonly ino: number
  readonly size: number
  /** 512-byte blocks. */
  readonly blocks: number
  readonly atime: Timespec
  readonly mtime: Timespec
  readonly ctime: Timespec
  /** Type and permission bits as st_mode has them. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly blksize: number
  readonly validMilliseconds: number
}

export interface FuseEntry {
  /** 0: the name does not exist, and the kernel may remember that for `validMilliseconds`. */
  readonly node: Node
  /** Tells apart two lives of one node number. */
  readonly generation: number
  readonly validMilliseconds: number
  readonly attributes: FuseAttributes
}

export interface FuseOpen {
  readonly handle: Handle
  /** Keep the pages the kernel already has of this file (FOPEN_KEEP_CACHE); for a directory, cache its listing too. */
  readonly keepCache: boolean
  /** Pass every read and write through, no page cache (FOPEN_DIRECT_IO). */
  readonly directIo: boolean
  /** A close of it need not be told by `flush` (FOPEN_NOFLUSH). */
  readonly noFlush?: boolean
}

export type FuseCreated = { readonly entry: FuseEntry; readonly open: FuseOpen }

export interface SetAttributes {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  readonly atime?: Nanoseconds | 'now'
  readonly mtime?: Nanoseconds | 'now'
}

export interface FileLock {
  readonly space: 'posix' | 'flock'
  /** A process, or an open file. */
  readonly owner: string
  /** First and last byte; 2^53-1 is the end of every file. */
  readonly start: number
  readonly end: number
  readonly type: 'read' | 'write'
  readonly pid: number
}
/** `none` unlocks. */
export type LockChange = Omit<FileLock, 'type'> & { readonly type: FileLock['type'] | 'none' }

export interface FuseDirectoryEntry {
  readonly name: string
  readonly ino: number
  /** Type bits as st_mode has them (S_IFMT). */
  readonly type: number
  /** Where reading goes on after this entry. */
  readonly offset: number
}
export interface FuseDirectoryEntryPlus extends FuseDirectoryEntry {
  readonly entry: FuseEntry
}

export interface FuseStatfs {
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
  readonly bsize: number
  readonly namelen: number
}

/**
 * Invalidation of what the kernel caches. Queued, so that it waits while an operation on the same node is being answered.
 * Pages are dropped only when told here, when an open lacks `keepCache`, and when attributes show a size that is not
 * the kernel's: so whoever sees a change of content that is not the kernel's own writing invalidates the inode.
 */
export interface Kernel {
  /** The name is asked for again; who stands in a directory of that name stays there, if it still is there. */
  invalidateEntry(parent: Node, name: string): void
  /** Attributes, and pages from offset on for length bytes (0: to the end); a negative offset: attributes only. */
  invalidateInode(node: Node, offset: number, length: number): void
  /** Resolves once the kernel has dropped all that it was told to. */
  settled(): Promise<void>
  /** The same, of attributes and pages alone: who gives a name keeps word of the names beside it waiting. */
  inodesSettled(): Promise<void>
}

/** A mounted file system. */
export interface Mounted {
  readonly ended: Promise<void> // once the mount is gone, whoever unmounted it, and `destroy` is through
  /** Takes the mount from its directory. `lazy`: even while files are open in it; `ended` then waits for the last of them. */
  unmount(options: { lazy: boolean }): Promise<void>
  /** Programs that use it still are told ENOTCONN. Where that cannot be, `ended` goes on to wait for them. */
  abandon?(): void
}

export interface MountOptions {
  readonly fsname: string
  readonly subtype: string
  readonly readOnly: boolean
  /** Nothing can be run (MS_NOEXEC of mount(2)). */
  readonly noExec: boolean
  readonly allowOther: boolean
  /** Kernel permission checks by mode, uid and gid. */
  readonly defaultPermissions: boolean
}

export type Binding = (
  directory: string,
  fileSystem: FileSystem,
  options: MountOptions,
) => Promise<Mounted>
