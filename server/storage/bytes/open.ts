import { Readable } from 'node:stream'
import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import { STORED, smallContent } from '../content/stored.js'
import { settled } from '../content/undo.js'
import type { Handle } from '../disk/contents.js'
import { failure } from '../failure.js'
import { fileRow } from '../inodes/access.js'
import { knownInode, typeOf } from '../inodes/inode.js'
import type { Engine, TreeId } from '../parts/engine.js'
import type { AtHand, Content, Ino, Inode } from '../storage.js'

/** Reads of so many bytes are done at once: they mostly hit the page cache, and a thread would cost more. */
const SMALL = 64 * 1024
/** Bytes a stream reads at a time. */
const CHUNK = 256 * 1024
/** The most bytes one `read` answers with. */
const READ_MAX = 16 * 1024 * 1024

/** The content of a file as it is now. */
export function open(engine: Engine, tree: TreeId, ino: Ino): Content {
  const row = fileRow(engine, tree, ino)
  return new OpenContent(engine, row)
}

const EMPTY = Buffer.alloc(0)

/** All of a file, if that is no more than a row of the database; undefined also for what is no file. */
export function atHand(engine: Engine, row: InodeRow): AtHand | undefined {
  const { stored } = row
  if (stored === STORED.database) return { inode: knownInode(row), data: smallContent(engine, row) }
  const isEmpty = stored === STORED.nowhere && row.size === 0 && typeOf(row) === 'file'
  return isEmpty ? { inode: knownInode(row), data: EMPTY } : undefined
}

class OpenContent implements Content {
  readonly inode: Inode
  readonly #engine: Engine
  readonly #generation: number
  /** Undefined for a file that is all hole, and once it is closed. */
  #handle: Handle | undefined
  #isClosed = false
  /** Reads under way: the descriptor stays open until they have ended, else its number could be another's by then. */
  #reading = 0
  /** The bytes of a small content, which need no handle; zeros for a hole. */
  readonly #small: Buffer | 'hole' | undefined

  constructor(engine: Engine, row: InodeRow) {
    this.inode = knownInode(row)
    this.#engine = engine
    this.#generation = row.generation
    try {
      if (row.stored === STORED.file) this.#handle = engine.contents.acquire(row.generation)
      else this.#small = row.stored === STORED.nowhere ? 'hole' : smallContent(engine, row)
    } catch (error) {
      throw failure(error)
    }
  }

  async read(position: number, length: number): Promise<Buffer> {
    const wanted = Math.min(length, this.inode.size - position, READ_MAX)
    if (wanted <= 0) return Buffer.alloc(0)
    if (this.#small === 'hole') return Buffer.alloc(wanted)
    if (this.#small !== undefined) return this.#small.subarray(position, position + wanted)
    const into = Buffer.allocUnsafe(wanted)
    return into.subarray(0, await this.readInto(into, position))
  }

  async readInto(into: Buffer, position: number): Promise<number> {
    const { ino, size } = this.inode
    const length = Math.min(into.length, size - position)
    if (length <= 0) return 0
    const wanted = length === into.length ? into : into.subarray(0, length)
    if (this.#small === 'hole') {
      wanted.fill(0)
      return length
    }
    if (this.#small !== undefined) return this.#small.copy(wanted, 0, position)
    const { gate, unrestored, disk } = this.#engine
    while (gate.isClosed(ino) || unrestored.has(ino)) await settled(this.#engine, ino)
    const handle = this.#handle
    if (handle === undefined) throw new FileError('EIO', 'the content was closed while it was read')
    try {
      if (length <= SMALL)
        return this.#whole(disk.readSync(handle.fd, wanted, position), position, length)
      const leave = gate.enter(ino)
      this.#reading += 1
      try {
        return this.#whole(await disk.read(handle.fd, wanted, position), position, length)
      } finally {
        this.#reading -= 1
        if (this.#isClosed) this.#release()
        leave()
      }
    } catch (error) {
      throw failure(error)
    }
  }

  /** Fewer bytes are read where the file was cut meanwhile. @throws EIO if it was not: loss of power has taken the others */
  #whole(bytes: number, position: number, length: number): number {
    if (bytes === length) return bytes
    const row = this.#engine.sql.inode.get(this.inode.ino)
    if (row?.generation === this.#generation && row.size >= position + length)
      throw new FileError(
        'EIO',
        'a part of the content of a file is missing; run coffer-server fsck',
      )
    return bytes
  }

  stream(first: number, last: number): Readable {
    let position = first
    const next = async (): Promise<Buffer | null> => {
      if (position > last) return null
      const wanted = Math.min(CHUNK, last + 1 - position)
      const data = await this.read(position, wanted)
      if (data.length < wanted) throw new FileError('EIO', 'the file was cut while it was read')
      position += wanted
      return data
    }
    return new Readable({
      highWaterMark: 2 * CHUNK,
      read() {
        next().then(
          (data) => this.push(data),
          (error) => this.destroy(error),
        )
      },
      destroy: (error, done) => {
        this.#release()
        done(error)
      },
    })
  }

  async close(): Promise<void> {
    this.#release()
  }

  #release(): void {
    this.#isClosed = true
    if (this.#reading > 0) return
    if (this.#handle !== undefined) this.#engine.contents.release(this.#handle)
    this.#handle = undefined
  }
}
