import type {
  Context,
  FuseAttributes,
  FuseEntry,
  FuseOpen,
  Kernel,
} from '../../../client/fuse/filesystem.js'
import { timespec } from '../../../client/fuse/integers.js'
import {
  type MemoryDirectory,
  type MemoryFile,
  type MemoryInode,
  now,
  PosixError,
} from './memory-inode.js'

const ROOT = 1
const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000

/** The tree of the memory file system, and what every operation on it needs. */
export class MemoryTree {
  readonly killsPrivileges = true
  readonly inodes = new Map<number, MemoryInode>()
  kernel: Kernel | undefined
  /** What went wrong without an errno: a defect of the binding or of this file. */
  readonly failures: string[] = []
  /** Operations seen, by name. */
  readonly counts = new Map<string, number>()
  validMilliseconds = 0
  keepCache = false
  directIo = false
  protected nextIno = ROOT + 1
  protected readonly listings = new Map<number, [string, number][]>()
  protected nextHandle = 1

  constructor() {
    const root = this.fresh(ROOT, S_IFDIR | 0o755, process.getuid?.() ?? 0, process.getgid?.() ?? 0)
    this.inodes.set(ROOT, {
      ...root,
      kind: 'directory',
      entries: new Map(),
      parent: ROOT,
      nlink: 2,
    })
  }

  init(kernel: Kernel): void {
    this.kernel = kernel
  }

  failed(operation: string, error: unknown): void {
    this.failures.push(`${operation}: ${error instanceof Error ? error.stack : error}`)
  }

  addFromOutside(name: string): void {
    const context = { uid: 0, gid: 0, pid: 0, signal: new AbortController().signal }
    this.add(ROOT, name, S_IFREG | 0o644, context, { kind: 'file', size: 0, chunks: new Map() })
  }

  count(operation: string, by = 1): void {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + by)
  }

  protected fresh(ino: number, mode: number, uid: number, gid: number) {
    const time = now()
    const times = { atime: time, mtime: time, ctime: time }
    return { ino, mode, uid, gid, nlink: 1, ...times, xattrs: new Map(), references: 0, opened: 0 }
  }

  protected add(
    parent: number,
    name: string,
    mode: number,
    context: Context,
    what:
      | { kind: 'file'; size: number; chunks: Map<number, Buffer> }
      | { kind: 'directory'; entries: Map<string, number>; parent: number }
      | { kind: 'symlink'; target: string }
      | { kind: 'special'; rdev: number },
  ): MemoryInode {
    this.count(`add ${what.kind}`)
    const directory = this.directory(parent)
    if (Buffer.byteLength(name) > 255) throw new PosixError('ENAMETOOLONG')
    if (directory.entries.has(name)) throw new PosixError('EEXIST')
    if (directory.nlink === 0) throw new PosixError('ENOENT')
    const gid = directory.mode & 0o2000 ? directory.gid : context.gid
    const inode: MemoryInode = { ...this.fresh(this.nextIno++, mode, context.uid, gid), ...what }
    this.inodes.set(inode.ino, inode)
    directory.entries.set(name, inode.ino)
    this.touch(directory)
    return inode
  }

  protected remove(parent: number, name: string): void {
    const inode = this.child(parent, name)
    const directory = this.directory(parent)
    directory.entries.delete(name)
    this.touch(directory)
    inode.ctime = now()
    if (inode.kind === 'directory') {
      inode.nlink = 0
      directory.nlink--
    } else inode.nlink--
    this.drop(inode)
  }

  protected place(parent: number, name: string, inode: MemoryInode, from: number): void {
    const directory = this.directory(parent)
    directory.entries.set(name, inode.ino)
    if (inode.kind === 'directory' && parent !== from) {
      this.directory(from).nlink--
      directory.nlink++
      inode.parent = parent
    }
    inode.ctime = now()
    this.touch(directory)
  }

  /** An inode without names lives on while it is open or the kernel knows it. */
  protected drop(inode: MemoryInode): void {
    if (inode.nlink === 0 && inode.references === 0 && inode.opened === 0) {
      this.inodes.delete(inode.ino)
    }
  }

  protected touch(directory: MemoryDirectory): void {
    directory.mtime = directory.ctime = now()
  }

  protected opened(inode: MemoryInode): FuseOpen {
    inode.opened++
    return { handle: this.nextHandle++, keepCache: this.keepCache, directIo: this.directIo }
  }

  protected listing(handle: number, offset: number, size: number) {
    const listing = this.listings.get(handle)
    if (listing === undefined) throw new PosixError('EBADF')
    const most = Math.ceil(size / 32)
    return listing.slice(offset, offset + most).flatMap(([name, ino], index) => {
      const inode = this.inodes.get(ino)
      if (inode === undefined) return []
      return [{ name, ino, type: inode.mode & S_IFMT, offset: offset + index + 1, inode }]
    })
  }

  protected inode(node: number): MemoryInode {
    const inode = this.inodes.get(node)
    if (inode === undefined) throw new PosixError('ESTALE')
    return inode
  }

  protected directory(node: number): MemoryDirectory {
    const inode = this.inode(node)
    if (inode.kind !== 'directory') throw new PosixError('ENOTDIR')
    return inode
  }

  protected file(node: number): MemoryFile {
    const inode = this.inode(node)
    if (inode.kind !== 'file')
      throw new PosixError(inode.kind === 'directory' ? 'EISDIR' : 'EINVAL')
    return inode
  }

  protected child(parent: number, name: string): MemoryInode {
    const ino = this.directory(parent).entries.get(name)
    if (ino === undefined) throw new PosixError('ENOENT')
    return this.inode(ino)
  }

  protected entry(inode: MemoryInode): FuseEntry {
    inode.references++
    return this.uncounted(inode)
  }

  protected uncounted(inode: MemoryInode): FuseEntry {
    const { validMilliseconds } = this
    return {
      node: inode.ino,
      generation: 0,
      validMilliseconds,
      attributes: this.attributes(inode),
    }
  }

  protected attributes(inode: MemoryInode): FuseAttributes {
    const { ino, mode, uid, gid, nlink, atime, mtime, ctime } = inode
    const size =
      inode.kind === 'file'
        ? inode.size
        : inode.kind === 'symlink'
          ? Buffer.byteLength(inode.target)
          : inode.kind === 'directory'
            ? 4096
            : 0
    const blocks = inode.kind === 'file' ? inode.chunks.size * 2048 : 0
    const rdev = inode.kind === 'special' ? inode.rdev : 0
    const { validMilliseconds } = this
    return {
      ino,
      size,
      blocks,
      atime: timespec(String(atime)),
      mtime: timespec(String(mtime)),
      ctime: timespec(String(ctime)),
      mode,
      nlink,
      uid,
      gid,
      rdev,
      blksize: 4096,
      validMilliseconds,
    }
  }
}
