import { FileError } from '../../errors.js'
import { type FileName, fileName } from '../path.js'
import {
  type Ino,
  type Inode,
  type NewInode,
  overwrite,
  type Place,
  type Tree,
  type Upload,
} from '../storage.js'
import { SizedInput } from './sized-input.js'
import type { Member } from './tar.js'
import { decodeMap } from './tar-sparse.js'

/** A directory that members are still coming for. */
interface OpenDirectory {
  readonly ino: Ino
  /** Length of its path, with a slash behind it. */
  readonly length: number
  readonly attributes: Attributes
}
type Attributes = Pick<Member, 'mode' | 'uid' | 'gid' | 'mtime' | 'atime'>

/** Makes members of an archive one after the other; a directory gets its times when all that is in it has come. */
export class Importing {
  readonly #tree: Tree
  readonly #into: Ino
  #open: OpenDirectory[] = []
  /** That of the last open directory: the others' are its beginnings, so that memory grows with the depth and not with its square. */
  #path = ''

  constructor(tree: Tree, into: Ino) {
    this.#tree = tree
    this.#into = into
  }

  async member(member: Member, content: AsyncIterable<Buffer>): Promise<void> {
    await this.#leave(member.path)
    const above = this.#open.at(-1)
    const names = namesOf(member.path.slice(above?.length ?? 0))
    const name = names.at(-1)
    if (name === undefined) {
      // one in use stays as it is, as does all that exists
      if (above !== undefined || !(await this.#isEmpty(this.#into))) return
      await this.#setXattrs(this.#into, member)
      this.#enter(this.#into, member)
      return
    }
    const directory = await this.#directory(above?.ino ?? this.#into, names.slice(0, -1))
    const inode = await this.#make({ directory, name }, member, content)
    if (inode === undefined) return
    if (member.type === 'directory') this.#enter(inode.ino, member)
  }

  async end(): Promise<void> {
    while (this.#open.length > 0) await this.#close()
  }

  async #isEmpty(ino: Ino): Promise<boolean> {
    return (await this.#tree.list(ino, { limit: 1 })).length === 0
  }

  async #setXattrs(ino: Ino, { xattrs }: Member): Promise<void> {
    for (const [key, value] of xattrs) {
      await this.#tree.setXattr(ino, key, value, 'either', overwrite, {})
    }
  }

  #enter(ino: Ino, { path, mode, uid, gid, mtime, atime }: Member): void {
    this.#path = path.endsWith('/') ? path : `${path}/`
    const attributes = { mode, uid, gid, mtime, ...(atime !== undefined && { atime }) }
    this.#open.push({ ino, length: this.#path.length, attributes })
  }

  /** Ends the directories that do not hold this path. */
  async #leave(path: string): Promise<void> {
    while (this.#open.length > 0 && !path.startsWith(this.#path)) await this.#close()
  }

  async #close(): Promise<void> {
    const directory = this.#open.pop()
    if (directory === undefined) return
    this.#path = this.#path.slice(0, this.#open.at(-1)?.length ?? 0)
    await this.#tree.setAttributes(directory.ino, directory.attributes, () => {}, {})
  }

  async #directory(from: Ino, names: readonly FileName[]): Promise<Ino> {
    return names.length === 0 ? from : (await this.#tree.walk(from, names)).ino
  }

  async #make(
    place: Place,
    member: Member,
    content: AsyncIterable<Buffer>,
  ): Promise<Inode | undefined> {
    const { mode, uid, gid, mtime, atime, xattrs } = member
    const attributes = { mode, uid, gid, mtime, xattrs, ...(atime !== undefined && { atime }) }
    if (member.type === 'link') {
      const first = await this.#tree.walk(this.#into, namesOf(member.linkpath))
      await this.#tree.link(first.ino, place, {})
      return undefined
    }
    if (member.type !== 'file') {
      return this.#tree.make(place, newInode(member), attributes, {})
    }
    const { realSize } = member
    const upload = await this.#tree.upload(realSize === undefined ? { size: member.size } : {})
    try {
      await (realSize === undefined
        ? upload.write(content)
        : writeAround(upload, content, realSize))
      return (await upload.commit(place, attributes, isNew, {})).inode
    } catch (error) {
      await upload.abort()
      throw error
    }
  }
}

/** What has holes. */
async function writeAround(
  upload: Upload,
  content: AsyncIterable<Buffer>,
  size: number,
): Promise<void> {
  const input = new SizedInput(content)
  const { extents } = await decodeMap((bytes) => input.take(bytes), size)
  for (const { offset, length } of extents) {
    await upload.skip(offset - upload.size)
    await upload.write(input.part(length))
  }
  await upload.skip(size - upload.size)
}

function isNew(current: Inode | undefined): void {
  if (current !== undefined) throw new FileError('EEXIST', 'it exists already')
}

function newInode({ type, linkpath, rdev }: Member): NewInode {
  switch (type) {
    case 'symlink':
      return { type, target: linkpath }
    case 'chardev':
    case 'blockdev':
      return { type, rdev }
    case 'directory':
    case 'fifo':
      return { type }
    case 'file':
    case 'link':
    case 'socket':
      throw new FileError('ENOTSUP', 'this type of file cannot be imported')
  }
}

function namesOf(path: string): FileName[] {
  return path
    .split('/')
    .filter((name) => name !== '.' && name !== '')
    .map(fileName)
}
