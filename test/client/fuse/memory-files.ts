import { constants } from 'node:fs'
import type {
  Context,
  FuseAttributes,
  FuseOpen,
  FuseStatfs,
  SetAttributes,
} from '../../../client/fuse/filesystem.js'
import {
  type MemoryInode,
  now,
  PosixError,
  readContent,
  resize,
  seekContent,
  writeContent,
  zeroContent,
} from './memory-inode.js'
import { MemoryTree } from './memory-tree.js'

const S_IFMT = 0o170000
const KEEP_SIZE = 1
const PUNCH_HOLE = 2

/** The operations on one inode. */
export class MemoryFiles extends MemoryTree {
  forget(node: number, count: number): void {
    this.count('forget', count)
    const inode = this.inodes.get(node)
    if (inode === undefined) throw new Error(`forget of unknown node ${node}`)
    inode.references -= count
    if (inode.references < 0) throw new Error(`node ${node} forgotten too often`)
    this.drop(inode)
  }

  async getattr(node: number, _handle: number | undefined, _: Context): Promise<FuseAttributes> {
    this.count('getattr')
    return this.attributes(this.inode(node))
  }

  async setattr(
    node: number,
    changes: SetAttributes,
    _handle: number | undefined,
    context: Context,
  ): Promise<FuseAttributes> {
    this.count('setattr')
    const inode = this.inode(node)
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
    return this.attributes(inode)
  }

  async open(node: number, flags: number, context: Context): Promise<FuseOpen> {
    this.count('open')
    const inode = this.inode(node)
    if (inode.kind === 'file' && (flags & constants.O_TRUNC) !== 0) {
      if (context.killPrivileges) killPrivileges(inode)
      resize(inode, 0)
      inode.mtime = inode.ctime = now()
    }
    return this.opened(inode)
  }

  async read(node: number, _handle: number, offset: number, size: number, _: Context) {
    this.count('read')
    return readContent(this.file(node), offset, size)
  }

  async write(node: number, _handle: number, offset: number, data: Buffer, context: Context) {
    this.count('write')
    const file = this.file(node)
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
    const inode = this.inode(node)
    inode.opened--
    this.drop(inode)
  }

  async fsync(_node: number, _handle: number, dataOnly: boolean, _: Context): Promise<void> {
    this.count(dataOnly ? 'fdatasync' : 'fsync')
  }

  async access(node: number, mask: number, { uid, gid }: Context): Promise<void> {
    this.count('access')
    const inode = this.inode(node)
    const shift = inode.uid === uid ? 6 : inode.gid === gid ? 3 : 0
    if (uid !== 0 && ((inode.mode >> shift) & mask) !== mask) throw new PosixError('EACCES')
  }

  async setxattr(node: number, name: string, value: Buffer, flags: number, _: Context) {
    this.count('setxattr')
    const inode = this.inode(node)
    const has = inode.xattrs.has(name)
    if (flags === 1 && has) throw new PosixError('EEXIST')
    if (flags === 2 && !has) throw new PosixError('ENODATA')
    inode.xattrs.set(name, value)
    inode.ctime = now()
  }

  async getxattr(node: number, name: string, _: Context): Promise<Buffer | undefined> {
    this.count('getxattr')
    return this.inode(node).xattrs.get(name)
  }

  async listxattr(node: number, _: Context): Promise<string[]> {
    this.count('listxattr')
    return [...this.inode(node).xattrs.keys()]
  }

  async removexattr(node: number, name: string, _: Context): Promise<void> {
    this.count('removexattr')
    const inode = this.inode(node)
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
    const file = this.file(node)
    if ((mode & ~(KEEP_SIZE | PUNCH_HOLE)) !== 0) throw new PosixError('EOPNOTSUPP')
    if ((mode & PUNCH_HOLE) !== 0) zeroContent(file, offset, length)
    else if ((mode & KEEP_SIZE) === 0) file.size = Math.max(file.size, offset + length)
    file.mtime = file.ctime = now()
  }

  async lseek(node: number, _handle: number, offset: number, whence: number, _: Context) {
    this.count('lseek')
    return seekContent(this.file(node), offset, whence)
  }

  async copyFileRange(
    from: { node: number; offset: number },
    to: { node: number; offset: number },
    length: number,
    _: Context,
  ): Promise<number> {
    this.count('copy_file_range')
    const data = Buffer.from(readContent(this.file(from.node), from.offset, length))
    writeContent(this.file(to.node), to.offset, data)
    return data.length
  }

  /** As somebody else would, behind the kernel's back. */
  changeFromOutside(node: number, content: Buffer): void {
    const file = this.file(node)
    resize(file, 0)
    writeContent(file, 0, content)
    file.mtime = now()
  }
}

/** set-user-ID goes, and set-group-ID where the group may execute. */
function killPrivileges(inode: MemoryInode): void {
  if (inode.kind === 'directory') return
  inode.mode &= ~0o4000
  if (inode.mode & 0o010) inode.mode &= ~0o2000
}
