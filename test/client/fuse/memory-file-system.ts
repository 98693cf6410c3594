import { constants } from 'node:fs'
import type {
  Context,
  FileSystem,
  FuseDirectoryEntry,
  FuseDirectoryEntryPlus,
  FuseEntry,
  FuseOpen,
} from '../../../client/fuse/filesystem.js'
import { MemoryFiles } from './memory-files.js'
import { now, PosixError } from './memory-inode.js'

const ROOT = 1
const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const S_IFLNK = 0o120000

/** A small but whole POSIX file system that lives in memory. Permissions are the kernel's work (default_permissions). */
export class MemoryFileSystem extends MemoryFiles implements FileSystem {
  async lookup(parent: number, name: string, _: Context): Promise<FuseEntry> {
    this.count('lookup')
    if (Buffer.byteLength(name) > 255) throw new PosixError('ENAMETOOLONG')
    const ino = this.directory(parent).entries.get(name)
    if (ino !== undefined) return this.entry(this.inode(ino))
    const { validMilliseconds } = this
    if (validMilliseconds === 0) throw new PosixError('ENOENT')
    return { ...this.uncounted(this.inode(ROOT)), node: 0, validMilliseconds }
  }

  async readlink(node: number, _: Context): Promise<string> {
    this.count('readlink')
    const inode = this.inode(node)
    if (inode.kind !== 'symlink') throw new PosixError('EINVAL')
    return inode.target
  }

  async symlink(parent: number, name: string, target: string, context: Context) {
    return this.entry(this.add(parent, name, S_IFLNK | 0o777, context, { kind: 'symlink', target }))
  }

  async mknod(parent: number, name: string, mode: number, rdev: number, context: Context) {
    const what =
      (mode & S_IFMT) === S_IFREG
        ? ({ kind: 'file', size: 0, chunks: new Map() } as const)
        : ({ kind: 'special', rdev } as const)
    return this.entry(this.add(parent, name, mode, context, what))
  }

  async mkdir(parent: number, name: string, mode: number, context: Context): Promise<FuseEntry> {
    const inherited = this.directory(parent).mode & 0o2000
    const made = this.add(parent, name, S_IFDIR | (mode & 0o7777) | inherited, context, {
      kind: 'directory',
      entries: new Map(),
      parent,
    })
    made.nlink = 2
    this.directory(parent).nlink++
    return this.entry(made)
  }

  async unlink(parent: number, name: string, _: Context): Promise<void> {
    this.count('unlink')
    if (this.child(parent, name).kind === 'directory') throw new PosixError('EISDIR')
    this.remove(parent, name)
  }

  async rmdir(parent: number, name: string, _: Context): Promise<void> {
    this.count('rmdir')
    const inode = this.child(parent, name)
    if (inode.kind !== 'directory') throw new PosixError('ENOTDIR')
    if (inode.entries.size > 0) throw new PosixError('ENOTEMPTY')
    this.remove(parent, name)
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
    const moved = this.child(parent, name)
    const ino = this.directory(newParent).entries.get(newName)
    const there = ino === undefined ? undefined : this.inode(ino)
    if (exchange) {
      if (there === undefined) throw new PosixError('ENOENT')
      this.place(parent, name, there, newParent)
      this.place(newParent, newName, moved, parent)
      return
    }
    if (there !== undefined) {
      if (noReplace) throw new PosixError('EEXIST')
      if (there === moved) return
      if (there.kind === 'directory') {
        if (moved.kind !== 'directory') throw new PosixError('EISDIR')
        if (there.entries.size > 0) throw new PosixError('ENOTEMPTY')
      } else if (moved.kind === 'directory') throw new PosixError('ENOTDIR')
      this.remove(newParent, newName)
    }
    this.directory(parent).entries.delete(name)
    this.place(newParent, newName, moved, parent)
    this.touch(this.directory(parent))
  }

  async link(node: number, newParent: number, newName: string, _: Context): Promise<FuseEntry> {
    this.count('link')
    const inode = this.inode(node)
    if (inode.kind === 'directory') throw new PosixError('EPERM')
    const directory = this.directory(newParent)
    if (directory.entries.has(newName)) throw new PosixError('EEXIST')
    directory.entries.set(newName, node)
    inode.nlink++
    inode.ctime = now()
    this.touch(directory)
    return this.entry(inode)
  }

  async create(parent: number, name: string, mode: number, flags: number, context: Context) {
    const there = this.directory(parent).entries.get(name)
    if (there !== undefined) {
      if ((flags & constants.O_EXCL) !== 0) throw new PosixError('EEXIST')
      const open = await this.open(there, flags, context)
      return { entry: this.entry(this.inode(there)), open }
    }
    const what = { kind: 'file', size: 0, chunks: new Map() } as const
    const made = this.add(parent, name, S_IFREG | (mode & 0o7777), context, what)
    return { entry: this.entry(made), open: this.opened(made) }
  }

  async opendir(node: number, _: Context): Promise<FuseOpen> {
    this.count('opendir')
    const directory = this.directory(node)
    const open = this.opened(directory)
    const listing: [string, number][] = [
      ['.', node],
      ['..', directory.parent],
      ...directory.entries,
    ]
    this.listings.set(open.handle, listing)
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
    return this.listing(handle, offset, size).map(({ inode: _inode, ...entry }) => entry)
  }

  async readdirplus(
    _node: number,
    handle: number,
    offset: number,
    size: number,
    _: Context,
  ): Promise<FuseDirectoryEntryPlus[]> {
    this.count('readdirplus')
    return this.listing(handle, offset, size).map(({ inode, ...entry }) => {
      const dots = entry.name === '.' || entry.name === '..'
      return { ...entry, entry: dots ? this.uncounted(inode) : this.entry(inode) }
    })
  }

  async releasedir(node: number, handle: number, _: Context): Promise<void> {
    this.count('releasedir')
    this.listings.delete(handle)
    const inode = this.inode(node)
    inode.opened--
    this.drop(inode)
  }

  async fsyncdir(_node: number, _handle: number, _: Context): Promise<void> {
    this.count('fsyncdir')
  }
}
