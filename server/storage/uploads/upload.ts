import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import { dropContent, STORED, type Stored } from '../content/stored.js'
import { forgetUndo } from '../content/undo.js'
import { WRITE_BYTES } from '../disk/disk.js'
import { failure } from '../failure.js'
import { fileRow, liveDirectoryRow, replaceable } from '../inodes/access.js'
import { withChanges } from '../inodes/attributes.js'
import { toInode, withContent } from '../inodes/inode.js'
import { bytesOf, touchDirectory } from '../inodes/links.js'
import { checkAttributes, draft, inherited, insertInode } from '../inodes/new-inode.js'
import { insertXattrs } from '../inodes/xattrs.js'
import { whenFree } from '../name-guard.js'
import { completed } from '../names/create.js'
import { inodeNumber } from '../names/names.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { placeOf } from '../parts/place.js'
import { checkSize } from '../parts/room.js'
import type { Ino, Inode, NewAttributes, Origin, Place, Precondition, Upload } from '../storage.js'
import { Claim } from './claim.js'
import type { Resumed } from './resumable.js'
import type { Committing, Expected } from './terms.js'
import { UploadedContent } from './uploaded-content.js'

/** Up to so many bytes are kept until the commit and written with it, in one tick. */
const SMALL = 64 * 1024
/** How often a commit looks again when what it replaces changes under it. */
const ATTEMPTS = 100

/** A whole new content, under a generation of its own, which nothing names before the commit. */
export class FileUpload implements Upload {
  readonly #engine: Engine
  readonly #tree: TreeId
  readonly #content: UploadedContent
  readonly #claim: Claim
  #state: 'open' | 'ended' = 'open'
  readonly #resumed: Resumed | undefined

  constructor(engine: Engine, tree: TreeId, expected: Expected) {
    this.#engine = engine
    this.#tree = tree
    this.#resumed = expected.resumed
    this.#content = new UploadedContent(engine, expected.resumed)
    const { replaces, resumed } = expected
    const replaced = typeof replaces === 'number' ? bytesOf(fileRow(engine, tree, replaces)) : 0
    this.#claim = new Claim(engine, tree, resumed?.replaced ?? replaced, resumed === undefined)
    const inodes = replaces === 'nothing' ? 1 : 0
    if (expected.size === undefined) {
      this.#claim.begin(inodes)
      return
    }
    checkSize(expected.size)
    engine.space.require(expected.size)
    this.#claim.extend(expected.size, inodes)
  }

  get generation(): number {
    return this.#content.generation
  }

  get size(): number {
    return this.#content.size
  }

  async write(source: AsyncIterable<Buffer | readonly Buffer[]> | Iterable<Buffer>): Promise<void> {
    try {
      await this.#take(source)
    } finally {
      // what has come of a resumable upload stays
      if (this.#resumed !== undefined) {
        await this.#content.flush()
        this.#content.release()
      }
    }
  }

  async skip(bytes: number): Promise<void> {
    this.#requireOpen()
    if (bytes === 0) return
    checkSize(this.size + bytes)
    this.#claim.extend(this.size + bytes)
    await this.#content.skip(bytes)
  }

  async #take(source: AsyncIterable<Buffer | readonly Buffer[]> | Iterable<Buffer>): Promise<void> {
    for await (const taken of source) {
      this.#requireOpen()
      const pieces = Buffer.isBuffer(taken) ? [taken] : taken
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
      if (bytes === 0) continue
      checkSize(this.size + bytes)
      this.#engine.space.take(bytes)
      this.#content.push(pieces, bytes)
      if (this.#content.pendingBytes < WRITE_BYTES) continue
      this.#claim.extend(this.size)
      await this.#content.flush()
    }
  }

  async commit(
    target: Place | Ino,
    attributes: Partial<NewAttributes>,
    precondition: Precondition,
    origin: Origin,
  ): Promise<{ inode: Inode; created: boolean }> {
    this.#requireOpen()
    try {
      checkAttributes(attributes)
      if (this.#resumed !== undefined && this.size > 0) this.#content.open()
      const replaces = this.#isFile && this.#existing(target) !== undefined
      if (this.#content.isOpen || this.size > SMALL || replaces) await this.#content.flush()
      // The log that lets it replace another one may be synced for anybody.
      if (replaces) await this.#engine.durability.content(this.generation)
      this.#requireOpen()
      this.#state = 'ended'
      const committing = { target, attributes, precondition, origin }
      const { row, created } = await this.#put(committing)
      this.#claim.end()
      this.#content.release()
      return { inode: toInode(row), created }
    } catch (error) {
      this.#discard()
      throw failure(error)
    }
  }

  get #isFile(): boolean {
    return this.#content.isOpen || this.size > this.#engine.smallBytes
  }

  async abort(): Promise<void> {
    if (this.#state === 'open') this.#discard()
  }

  async #put(committing: Committing): Promise<{ row: InodeRow; created: boolean }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const existing = this.#existing(committing.target)
      if (existing === undefined) {
        const row = await this.#createWhenFree(committing)
        if (row === undefined) continue
        return { row, created: true }
      }
      const row = await this.#engine.locks.hold(existing.ino, async () =>
        this.#existing(committing.target)?.ino === existing.ino
          ? this.#replace(committing, existing.ino)
          : undefined,
      )
      if (row !== undefined) return { row, created: false }
    }
    throw new FileError('EBUSY', 'what the upload replaces changes all the time; try again')
  }

  /** Nothing, if somebody else was first meanwhile. */
  #createWhenFree(committing: Committing): Promise<InodeRow | undefined> {
    const { target, origin } = committing
    if (typeof target === 'number') throw new FileError('ENOENT', `there is no inode ${target}`)
    return whenFree(this.#engine.names, this.#tree.owner, target, origin, (hasWaited) => {
      if (hasWaited && this.#existing(target) !== undefined) return undefined
      return this.#create(committing, target)
    })
  }

  #existing(target: Place | Ino): InodeRow | undefined {
    if (typeof target === 'number') return fileRow(this.#engine, this.#tree, target)
    liveDirectoryRow(this.#engine, this.#tree, target.directory)
    return this.#engine.sql.entry.get(target.directory, target.name)
  }

  #create({ attributes, precondition, origin }: Committing, target: Place): InodeRow {
    const engine = this.#engine
    const tree = this.#tree
    precondition(undefined)
    const now = engine.clock()
    const number = inodeNumber(engine, attributes.ino)
    const empty = draft({ type: 'file' }, completed(attributes), now, this.generation)
    const content = this.#content.store()
    const given = { ...empty, ...content, size: this.size }
    return engine.transactions.run(() => {
      const directory = liveDirectoryRow(engine, tree, target.directory)
      const file = attributes.gid === undefined ? inherited(given, directory) : given
      const row = insertInode(engine, tree, file, number, now)
      engine.sql.insertEntry.run(target.directory, target.name, row.ino)
      touchDirectory(engine, target.directory, 0, now)
      const bytes = row.size + insertXattrs(engine, row.ino, attributes.xattrs)
      const usage = { bytes, inodes: 1 }
      engine.log.note(tree.id, { kind: 'make', ino: row.ino, place: target }, usage, origin)
      this.#finish(row.ino)
      this.#afterwards(content.stored)
      return row
    })
  }

  #replace({ attributes, precondition, origin }: Committing, ino: Ino): InodeRow {
    const engine = this.#engine
    const tree = this.#tree
    const now = engine.clock()
    const check = () => replaceable(engine, ino, precondition)
    check()
    const { stored, allocated, small } = this.#content.store()
    return engine.transactions.run(() => {
      const row = check()
      const { size, generation } = this
      const replaced = withContent(engine, row, now, { size, generation, stored, allocated })
      const after = withChanges(replaced, attributes, now)
      engine.sql.updateInode.run(after)
      if (small === undefined || row.stored !== STORED.database) dropContent(engine, row)
      if (small !== undefined) engine.sql.setSmallContent.run(ino, small)
      if (row.stored === STORED.file) forgetUndo(engine, ino)
      const usage = { bytes: after.size - row.size, inodes: 0 }
      engine.log.note(tree.id, { kind: 'content', ino, place: placeOf(engine, ino) }, usage, origin)
      this.#finish(ino)
      this.#afterwards(stored)
      engine.transactions.afterwards(() => engine.unrestored.delete(ino))
      return after
    })
  }

  #finish(ino: Ino): void {
    if (this.#resumed !== undefined) this.#engine.sql.finishUpload.run(ino, this.#resumed.id)
  }

  #afterwards(stored: Stored): void {
    const { transactions, durability } = this.#engine
    if (stored === STORED.file) transactions.afterwards(() => durability.touched(this.generation))
  }

  #requireOpen(): void {
    if (this.#state === 'ended') throw new FileError('EINVAL', 'the upload has ended')
  }

  #discard(): void {
    this.#state = 'ended'
    this.#claim.end()
    this.#content.release()
    if (this.#resumed !== undefined) this.#engine.sql.deleteUpload.run(this.#resumed.id)
    this.#content.discard()
  }
}
