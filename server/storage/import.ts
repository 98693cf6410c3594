import { spawn } from 'node:child_process'
import { FileError } from '../errors.js'
import { tarEnded } from './export.js'
import { type FileName, fileName } from './path.js'
import {
  type Ino,
  type Inode,
  type NewInode,
  overwrite,
  type Place,
  type Tree,
  type Upload,
} from './storage.js'
import { BLOCK, decodeHeader, extendMember, type Member } from './tar.js'
import { decodeMap } from './tar-sparse.js'

export interface Imported {
  readonly files: number
  readonly bytes: number
  readonly skipped: number
}

/** Says which member could not be imported, and why; the others are. */
export type Skip = (path: string, reason: string) => void

/** The largest extended header that is taken: names and xattrs of one member. */
const EXTENDED_MAX = 16 * 1024 * 1024

/** Takes in a plain tree with all attributes below a directory. What exists there stays as it is. */
export async function importTree(
  tree: Tree,
  into: Ino,
  from: string,
  skip: Skip,
): Promise<Imported> {
  const options = ['--create', '--sparse', '--file=-', '--format=posix', `--directory=${from}`]
  const tar = spawn('tar', [...options, '--xattrs', '--xattrs-include=*', '--numeric-owner', '.'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = tarEnded(tar)
  const [imported] = await Promise.allSettled([
    importArchive(tree, into, tar.stdout, skip).catch((error) => {
      tar.stdout.destroy()
      throw error
    }),
    ended.catch(() => {}),
  ])
  // What tar(1) complains about says more than that its archive ends too early.
  if (imported.status === 'rejected' && tar.signalCode !== null) throw imported.reason
  await ended
  if (imported.status === 'rejected') throw imported.reason
  return imported.value
}

/** Takes in a pax archive below a directory. */
export async function importArchive(
  tree: Tree,
  into: Ino,
  source: AsyncIterable<Buffer>,
  skip: Skip,
): Promise<Imported> {
  const input = new Input(source)
  const importing = new Importing(tree, into)
  const count = { files: 0, bytes: 0, skipped: 0 }
  let extended: Buffer | undefined
  for (;;) {
    const block = await input.take(BLOCK)
    const header = decodeHeader(block)
    if (header === undefined) break
    const { typeflag } = header
    if (typeflag === 'x' || typeflag === 'g') {
      const { size } = header.member
      if (size > EXTENDED_MAX) throw new Error('an extended header of the archive is too large')
      const records = await input.take(size)
      if (typeflag === 'x') extended = records
      await input.skip((BLOCK - (size % BLOCK)) % BLOCK)
      continue
    }
    const member = extended === undefined ? header.member : extendMember(header.member, extended)
    extended = undefined
    const size = member.type === 'file' ? member.size : 0
    const content = input.part(size)
    try {
      await importing.member(member, content)
      count.files += 1
      count.bytes += member.realSize ?? size
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      count.skipped += 1
      skip(member.path, error.message)
    }
    for await (const _rest of content) {
      // What was not used of a refused file.
    }
    await input.skip((BLOCK - (size % BLOCK)) % BLOCK)
  }
  await importing.end()
  await input.drain()
  return count
}

/** A directory that members are still coming for. */
interface OpenDirectory {
  readonly ino: Ino
  /** Length of its path, with a slash behind it. */
  readonly length: number
  readonly attributes: Attributes
}
type Attributes = Pick<Member, 'mode' | 'uid' | 'gid' | 'mtime' | 'atime'>

/** Members one after the other; a directory gets its times when all that is in it has come. */
class Importing {
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
      if (above !== undefined) return
      await this.#setXattrs(this.#into, member)
      this.#enter(this.#into, member)
      return
    }
    const directory = await this.#directory(above?.ino ?? this.#into, names.slice(0, -1))
    const inode = await this.#make({ directory, name }, member, content)
    if (inode === undefined) return
    await this.#setXattrs(inode.ino, member)
    if (member.type === 'directory') this.#enter(inode.ino, member)
  }

  async end(): Promise<void> {
    while (this.#open.length > 0) await this.#close()
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
    const { mode, uid, gid, mtime, atime } = member
    const attributes = { mode, uid, gid, mtime, ...(atime !== undefined && { atime }) }
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
  const input = new Input(content)
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

/** Bytes of a stream, taken in pieces of known sizes. */
class Input {
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  async take(size: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this.part(size)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  /** The next so many bytes; may be read in several loops until they are used up. */
  part(size: number): AsyncIterable<Buffer> {
    let left = size
    const next = async (): Promise<IteratorResult<Buffer>> => {
      if (left === 0) return { done: true, value: undefined }
      const piece = await this.#some(left)
      left -= piece.length
      return { done: false, value: piece }
    }
    return { [Symbol.asyncIterator]: () => ({ next }) }
  }

  async skip(size: number): Promise<void> {
    await this.take(size)
  }

  /** What follows the end of the archive. */
  async drain(): Promise<void> {
    for (let next = await this.#source.next(); !next.done; next = await this.#source.next()) {
      // Blocks that tar(1) fills its last record with.
    }
  }

  async #some(most: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next()
      if (next.done) throw new Error('the archive ends too early')
      this.#rest = next.value
    }
    const piece = this.#rest.subarray(0, most)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }
}
