import { constants } from 'node:fs'
import type {
  Context,
  FileSystem,
  FuseAttributes,
  FuseDirectoryEntry,
  FuseDirectoryEntryPlus,
  FuseEntry,
  FuseOpen,
  FuseStatfs,
  Kernel,
  SetAttributes,
} from '../../../client/fuse/filesystem.js'
import {
  type MemoryDirectory,
  type MemoryFile,
  type MemoryInode,
  PosixError,
  readContent,
  resize,
  seekContent,
  writeContent,
  zeroContent,
} from './memory-inode.js'

const ROOT = 1
const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const S_IFLNK = 0o120000
const KEEP_SIZE = 1
const PUNCH_HOLE = 2

/** The wall clock with the nanoseconds of the monotonic one. */
const STARTED = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()
const now = (): bigint => STARTED + process.hrtime.bigint()

/** A small but whole POSIX file system that lives in memory. Permissions are the kernel's work (default_permissions). */
export class MemoryFileSystem implements FileSystem {
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
  #next = ROOT + 1
  readonly #listings = new Map<number, [string, number][]>()
  #nextHandle = 1

  constructor() {
    const root = this.#new(ROOT, S_IFDIR | 0o755, process.getuid?.() ?? 0, process.getgid?.() ?? 0)
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

  async lookup(parent: number, name: string, _: Context): Promise<FuseEntry> {
    this.count('lookup')
    if (Buffer.byteLength(name) > 255) throw new PosixError('ENAMETOOLONG')
    const ino = this.#directory(parent).entries.get(name)
    if (ino !== undefined) return this.#entry(this.#inode(ino))
    const { validMilliseconds } = this
    if (validMilliseconds === 0) throw new PosixError('ENOENT')
    return { ...this.#uncounted(this.#inode(ROOT)), node: 0, validMilliseconds }
  }

  forget(node: number, count: number): void {
    this.count('forget', count)
    const inode = this.inodes.get(node)
    if (inode === undefined) throw new Error(`forget of unknown node ${node}`)
    inode.references -= count
    if (inode.references < 0) throw new Error(`node ${node} forgotten too often`)
    this.#drop(inode)
  }

  async getattr(node: number, _handle: number | undefined, _: Context): Promise<FuseAttributes> {
    this.count('getattr')
    return this.#attributes(this.#inode(node))
  }

  async setattr(
    node: number,
    changes: SetAttributes,
    _handle: number | undefined,
    context: Context,
  ): Promise<FuseAttributes> {
    this.count('setattr')
    const inode = this.#inode(node)
    const time = now()
    if (changes.uid !== undefined || changes.gid !== undefined) killPrivileges(inode)
    if (changes.mode !== undefined) inode.mode = (inode.mode & S_IFMT) | (changes.mode & 0o7777)
    inode.uid = changes.uid ?? inode.uid
    inode.gid = changes.gid ?? inode.gid
    if (changes.size !== undefined) {
      if (inode.kind !== 'file') throw new PosixError('EISDIR')
      if (context.killPrivileges) killPrivileges(inode)
      resize(inode, changes.size)
      inode.mtime = time
    }
    if (changes.atime !== undefined) inode.atime = changes.atime === 'now' ? time : changes.atime
    if (changes.mtime !== undefined) inode.mtime = changes.mtime === 'now' ? time : changes.mtime
    inode.ctime = time
    return this.#attributes(inode)
  }

  async readlink(node: number, _: Context): Promise<string> {
    this.count('readlink')
    const inode = this.#inode(node)
    if (inode.kind !== 'symlink') throw new PosixError('EINVAL')
    return inode.target
  }

  async symlink(parent: number, name: string, target: string, context: Context) {
    return this.#entry(
      this.#add(parent, name, S_IFLNK | 0o777, context, { kind: 'symlink', target }),
    )
  }

  async mknod(parent: number, name: string, mode: number, rdev: number, context: Context) {
    const what =
      (mode & S_IFMT) === S_IFREG
        ? ({ kind: 'file', size: 0, chunks: new Map() } as const)
        : ({ kind: 'special', rdev } as const)
    return this.#entry(this.#add(parent, name, mode, context, what))
  }

  async mkdir(parent: number, name: string, mode: number, context: Context): Promise<FuseEntry> {
    const inherited = this.#directory(parent).mode & 0o2000
    const made = this.#add(parent, name, S_IFDIR | (mode & 0o7777) | inherited, context, {
      kind: 'directory',
      entries: new Map(),
      parent,
    })
    made.nlink = 2
    this.#directory(parent).nlink++
    return this.#entry(made)
  }

  async unlink(parent: number, name: string, _: Context): Promise<void> {
    this.count('unlink')
    if (this.#child(parent, name).kind === 'directory') throw new PosixError('EISDIR')
    this.#remove(parent, name)
  }

  async rmdir(parent: number, name: string, _: Context): Promise<void> {
    this.count('rmdir')
    const inode = this.#child(parent, name)
    if (inode.kind !== 'directory') throw new PosixError('ENOTDIR')
    if (inode.entries.size > 0) throw new PosixError('ENOTEMPTY')
    this.#remove(parent, name)
  }

  async rename(
    parent: number,
    name: string,
    newParent: number,
    newName: string,
    flags: number,
    _: Context,
  ): Promise<void> {
    this.count('rename')
    const noReplace = (flags & 1) !== 0
    const exchange = (flags & 2) !== 0
    if ((flags & ~3) !== 0 || (noReplace && exchange)) throw new PosixError('EINVAL')
    if (Buffer.byteLength(newName) > 255) throw new PosixError('ENAMETOOLONG')
    const moved = this.#child(parent, name)
    const ino = this.#directory(newParent).entries.get(newName)
    const there = ino === undefined ? undefined : this.#inode(ino)
    if (exchange) {
      if (there === undefined) throw new PosixError('ENOENT')
      this.#place(parent, name, there, newParent)
      this.#place(newParent, newName, moved, parent)
      return
    }
    if (there !== undefined) {
      if (noReplace) throw new PosixError('EEXIST')
      if (there === moved) return
      if (there.kind === 'directory') {
        if (moved.kind !== 'directory') throw new PosixError('EISDIR')
        if (there.entries.size > 0) throw new PosixError('ENOTEMPTY')
      } else if (moved.kind === 'directory') throw new PosixError('ENOTDIR')
      this.#remove(newParent, newName)
    }
    this.#directory(parent).entries.delete(name)
    this.#place(newParent, newName, moved, parent)
    this.#touch(this.#directory(parent))
  }

  async link(node: number, newParent: number, newName: string, _: Context): Promise<FuseEntry> {
    this.count('link')
    const inode = this.#inode(node)
    if (inode.kind === 'directory') throw new PosixError('EPERM')
    const directory = this.#directory(newParent)
    if (directory.entries.has(newName)) throw new PosixError('EEXIST')
    directory.entries.set(newName, node)
    inode.nlink++
    inode.ctime = now()
    this.#touch(directory)
    return this.#entry(inode)
  }

  async open(node: number, flags: number, context: Context): Promise<FuseOpen> {
    this.count('open')
    const inode = this.#inode(node)
    if (inode.kind === 'file' && (flags & constants.O_TRUNC) !== 0) {
      if (context.killPrivileges) killPrivileges(inode)
      resize(inode, 0)
      inode.mtime = inode.ctime = now()
    }
    return this.#open(inode)
  }

  async create(parent: number, name: string, mode: number, flags: number, context: Context) {
    const there = this.#directory(parent).entries.get(name)
    if (there !== undefined) {
      if ((flags & constants.O_EXCL) !== 0) throw new PosixError('EEXIST')
      const open = await this.open(there, flags, context)
      return { ...this.#entry(this.#inode(there)), ...open }
    }
    const what = { kind: 'file', size: 0, chunks: new Map() } as const
    const made = this.#add(parent, name, S_IFREG | (mode & 0o7777), context, what)
    return { ...this.#entry(made), ...this.#open(made) }
  }

  async read(node: number, _handle: number, offset: number, size: number, _: Context) {
    this.count('read')
    return readContent(this.#file(node), offset, size)
  }

  async write(node: number, _handle: number, offset: number, data: Buffer, context: Context) {
    this.count('write')
    const file = this.#file(node)
    if (context.killPrivileges) killPrivileges(file)
    writeContent(file, offset, data)
    file.mtime = file.ctime = now()
    return data.length
  }

  async statfs(_node: number, _: Context): Promise<FuseStatfs> {
    this.count('statfs')
    const files = this.inodes.size
    const [blocks, bfree, bavail] = [2_000_000, 1_000_000, 900_000]
    return { blocks, bfree, bavail, files: files + 1000, ffree: 1000, bsize: 4096, namelen: 255 }
  }

  async flush(_node: number, _handle: number, _: Context): Promise<void> {
    this.count('flush')
  }

  async release(node: number, _handle: number, _: Context): Promise<void> {
    this.count('release')
    const inode = this.#inode(node)
    inode.opened--
    this.#drop(inode)
  }

  async fsync(_node: number, _handle: number, dataOnly: boolean, _: Context): Promise<void> {
    this.count(dataOnly ? 'fdatasync' : 'fsync')
  }

  async opendir(node: number, _: Context): Promise<FuseOpen> {
    this.count('opendir')
    const directory = this.#directory(node)
    const open = this.#open(directory)
    const listing: [string, number][] = [
      ['.', node],
      ['..', directory.parent],
      ...directory.entries,
    ]
    this.#listings.set(open.handle, listing)
    return open
  }

  async readdir(
    _node: number,
    handle: number,
    offset: number,
    size: number,
    _: Context,
  ): Promise<FuseDirectoryEntry[]> {
    this.count('readdir')
    return this.#list(handle, offset, size).map(({ inode: _inode, ...entry }) => entry)
  }

  async readdirplus(
    _node: number,
    handle: number,
    offset: number,
    size: number,
    _: Context,
  ): Promise<FuseDirectoryEntryPlus[]> {
    this.count('readdirplus')
    return this.#list(handle, offset, size).map(({ inode, ...entry }) => {
      const dots = entry.name === '.' || entry.name === '..'
      return { ...entry, entry: dots ? this.#uncounted(inode) : this.#entry(inode) }
    })
  }

  async releasedir(node: number, handle: number, _: Context): Promise<void> {
    this.count('releasedir')
    this.#listings.delete(handle)
    const inode = this.#inode(node)
    inode.opened--
    this.#drop(inode)
  }

  async fsyncdir(_node: number, _handle: number, _: Context): Promise<void> {
    this.count('fsyncdir')
  }

  async access(node: number, mask: number, { uid, gid }: Context): Promise<void> {
    this.count('access')
    const inode = this.#inode(node)
    const shift = inode.uid === uid ? 6 : inode.gid === gid ? 3 : 0
    if (uid !== 0 && ((inode.mode >> shift) & mask) !== mask) throw new PosixError('EACCES')
  }

  async setxattr(node: number, name: string, value: Buffer, flags: number, _: Context) {
    this.count('setxattr')
    const inode = this.#inode(node)
    const has = inode.xattrs.has(name)
    if (flags === 1 && has) throw new PosixError('EEXIST')
    if (flags === 2 && !has) throw new PosixError('ENODATA')
    inode.xattrs.set(name, value)
    inode.ctime = now()
  }

  async getxattr(node: number, name: string, _: Context): Promise<Buffer> {
    this.count('getxattr')
    const value = this.#inode(node).xattrs.get(name)
    if (value === undefined) throw new PosixError('ENODATA')
    return value
  }

  async listxattr(node: number, _: Context): Promise<string[]> {
    this.count('listxattr')
    return [...this.#inode(node).xattrs.keys()]
  }

  async removexattr(node: number, name: string, _: Context): Promise<void> {
    this.count('removexattr')
    const inode = this.#inode(node)
    if (!inode.xattrs.delete(name)) throw new PosixError('ENODATA')
    inode.ctime = now()
  }

  async fallocate(
    node: number,
    _handle: number,
    offset: number,
    length: number,
    mode: number,
    _: Context,
  ): Promise<void> {
    this.count('fallocate')
    const file = this.#file(node)
    if ((mode & ~(KEEP_SIZE | PUNCH_HOLE)) !== 0) throw new PosixError('EOPNOTSUPP')
    if ((mode & PUNCH_HOLE) !== 0) zeroContent(file, offset, length)
    else if ((mode & KEEP_SIZE) === 0) file.size = Math.max(file.size, offset + length)
    file.mtime = file.ctime = now()
  }

  async lseek(node: number, _handle: number, offset: number, whence: number, _: Context) {
    this.count('lseek')
    return seekContent(this.#file(node), offset, whence)
  }

  async copyFileRange(
    from: { node: number; offset: number },
    to: { node: number; offset: number },
    length: number,
    _: Context,
  ): Promise<number> {
    this.count('copy_file_range')
    const data = Buffer.from(readContent(this.#file(from.node), from.offset, length))
    writeContent(this.#file(to.node), to.offset, data)
    return data.length
  }

  /** As somebody else would, behind the kernel's back. */
  changeFromOutside(node: number, content: Buffer): void {
    const file = this.#file(node)
    resize(file, 0)
    writeContent(file, 0, content)
    file.mtime = now()
  }

  addFromOutside(name: string): void {
    const context = { uid: 0, gid: 0, pid: 0, signal: new AbortController().signal }
    this.#add(ROOT, name, S_IFREG | 0o644, context, { kind: 'file', size: 0, chunks: new Map() })
  }

  count(operation: string, by = 1): void {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + by)
  }

  #new(ino: number, mode: number, uid: number, gid: number) {
    const time = now()
    const times = { atime: time, mtime: time, ctime: time }
    return { ino, mode, uid, gid, nlink: 1, ...times, xattrs: new Map(), references: 0, opened: 0 }
  }

  #add(
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
    const directory = this.#directory(parent)
    if (Buffer.byteLength(name) > 255) throw new PosixError('ENAMETOOLONG')
    if (directory.entries.has(name)) throw new PosixError('EEXIST')
    if (directory.nlink === 0) throw new PosixError('ENOENT')
    const gid = directory.mode & 0o2000 ? directory.gid : context.gid
    const inode: MemoryInode = { ...this.#new(this.#next++, mode, context.uid, gid), ...what }
    this.inodes.set(inode.ino, inode)
    directory.entries.set(name, inode.ino)
    this.#touch(directory)
    return inode
  }

  #remove(parent: number, name: string): void {
    const inode = this.#child(parent, name)
    const directory = this.#directory(parent)
    directory.entries.delete(name)
    this.#touch(directory)
    inode.ctime = now()
    if (inode.kind === 'directory') {
      inode.nlink = 0
      directory.nlink--
    } else inode.nlink--
    this.#drop(inode)
  }

  #place(parent: number, name: string, inode: MemoryInode, from: number): void {
    const directory = this.#directory(parent)
    directory.entries.set(name, inode.ino)
    if (inode.kind === 'directory' && parent !== from) {
      this.#directory(from).nlink--
      directory.nlink++
      inode.parent = parent
    }
    inode.ctime = now()
    this.#touch(directory)
  }

  /** An inode without names lives on while it is open or the kernel knows it. */
  #drop(inode: MemoryInode): void {
    if (inode.nlink === 0 && inode.references === 0 && inode.opened === 0) {
      this.inodes.delete(inode.ino)
    }
  }

  #touch(directory: MemoryDirectory): void {
    directory.mtime = directory.ctime = now()
  }

  #open(inode: MemoryInode): FuseOpen {
    inode.opened++
    return { handle: this.#nextHandle++, keepCache: this.keepCache, directIo: this.directIo }
  }

  #list(handle: number, offset: number, size: number) {
    const listing = this.#listings.get(handle)
    if (listing === undefined) throw new PosixError('EBADF')
    const most = Math.ceil(size / 32)
    return listing.slice(offset, offset + most).flatMap(([name, ino], index) => {
      const inode = this.inodes.get(ino)
      if (inode === undefined) return []
      return [{ name, ino, type: inode.mode & S_IFMT, offset: offset + index + 1, inode }]
    })
  }

  #inode(node: number): MemoryInode {
    const inode = this.inodes.get(node)
    if (inode === undefined) throw new PosixError('ESTALE')
    return inode
  }

  #directory(node: number): MemoryDirectory {
    const inode = this.#inode(node)
    if (inode.kind !== 'directory') throw new PosixError('ENOTDIR')
    return inode
  }

  #file(node: number): MemoryFile {
    const inode = this.#inode(node)
    if (inode.kind !== 'file')
      throw new PosixError(inode.kind === 'directory' ? 'EISDIR' : 'EINVAL')
    return inode
  }

  #child(parent: number, name: string): MemoryInode {
    const ino = this.#directory(parent).entries.get(name)
    if (ino === undefined) throw new PosixError('ENOENT')
    return this.#inode(ino)
  }

  #entry(inode: MemoryInode): FuseEntry {
    inode.references++
    return this.#uncounted(inode)
  }

  #uncounted(inode: MemoryInode): FuseEntry {
    const { validMilliseconds } = this
    return {
      node: inode.ino,
      generation: 0,
      validMilliseconds,
      attributes: this.#attributes(inode),
    }
  }

  #attributes(inode: MemoryInode): FuseAttributes {
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
      atime,
      mtime,
      ctime,
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

/** set-user-ID goes, and set-group-ID where the group may execute. */
function killPrivileges(inode: MemoryInode): void {
  if (inode.kind === 'directory') return
  inode.mode &= ~0o4000
  if (inode.mode & 0o010) inode.mode &= ~0o2000
}
