import { FileError } from '../errors.js'
import { copyRange } from './bytes/copy-range.js'
import { atHand, open } from './bytes/open.js'
import { resize } from './bytes/resize.js'
import { seek } from './bytes/seek.js'
import { write } from './bytes/write.js'
import { zero } from './bytes/zero.js'
import type { Changes } from './changes.js'
import { directoryRow, inodeRow, walkedRow } from './inodes/access.js'
import { setAttributes } from './inodes/attributes.js'
import { knownInode, toInode } from './inodes/inode.js'
import { reserve } from './inodes/reservations.js'
import { totals } from './inodes/totals.js'
import { getXattr, listXattrs, removeXattr, setXattr } from './inodes/xattrs.js'
import { whenFree } from './name-guard.js'
import { copy } from './names/copy.js'
import { type CreateTerms, create } from './names/create.js'
import { link, make, makeNameless, release, remove } from './names/names.js'
import { freeing, removeAll } from './names/removals.js'
import { rename } from './names/rename.js'
import type { Engine } from './parts/engine.js'
import { checkRoom } from './parts/room.js'
import type { FileName, StoragePath } from './path.js'
import type {
  AtHand,
  AttributeChanges,
  Content,
  CopiedRange,
  Entry,
  ExpectedWrite,
  Ino,
  Inode,
  NewAttributes,
  NewInode,
  Origin,
  Place,
  Precondition,
  Removal,
  Removed,
  RemoveKind,
  RenameMode,
  ResumableUpload,
  SpelledPage,
  Totals,
  Tree,
  Upload,
  UploadRecord,
  UploadsUnderWay,
  UserId,
  ValuePrecondition,
  WriteParts,
  XattrMode,
  ZeroRange,
} from './storage.js'
import { begin, underWay, uploadRow } from './uploads/resumable.js'
import { resumeUpload } from './uploads/resumed-upload.js'
import type { Expected } from './uploads/terms.js'
import { FileUpload } from './uploads/upload.js'

type Page = { readonly after?: FileName; readonly limit: number }
/** The most entries of one page of a directory. */
const PAGE_MAX = 10_000

/** One user's files: the operations, each in the file named after it. */
export class UserTree implements Tree {
  readonly owner: UserId
  readonly root: Ino
  readonly id: number
  readonly changes: Changes
  readonly #engine: Engine

  constructor(engine: Engine, row: { id: number; owner: string; root: number }) {
    this.#engine = engine
    this.id = row.id
    this.owner = row.owner
    this.root = row.root
    this.changes = engine.log.of(row.id)
  }

  async walk(from: Ino, path: StoragePath): Promise<Inode> {
    return knownInode(walkedRow(this.#engine, this, from, path))
  }

  atHand(from: Ino | 'root', path: StoragePath): AtHand | undefined {
    return atHand(
      this.#engine,
      walkedRow(this.#engine, this, from === 'root' ? this.root : from, path),
    )
  }

  async lookup(directory: Ino, name: FileName): Promise<Inode> {
    directoryRow(this.#engine, this, directory)
    const row = this.#engine.sql.entry.get(directory, name)
    if (row === undefined) throw new FileError('ENOENT', `there is no "${name}"`)
    return knownInode(row)
  }

  async stat(ino: Ino): Promise<Inode> {
    return knownInode(inodeRow(this.#engine, this, ino))
  }

  async list(directory: Ino, page: Page): Promise<Entry[]> {
    const rows = this.#engine.sql.entries.all(...this.#checked(directory, page))
    return rows.map((row) => ({ name: row.name as FileName, inode: toInode(row) }))
  }

  async spell(directory: Ino, page: Page): Promise<SpelledPage> {
    const rows = this.#engine.sql.spelledEntries.all(...this.#checked(directory, page))
    const [, last] = rows.at(-1) ?? []
    const entries = rows.map(([json, name]) => json ?? this.#entry(directory, name as FileName))
    return { entries, last: last as FileName | undefined }
  }

  #checked(directory: Ino, { after, limit }: Page): [number, string, number] {
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
      throw new FileError('EINVAL', `a page has from 1 to ${PAGE_MAX} entries`)
    }
    directoryRow(this.#engine, this, directory)
    return [directory, after ?? '', limit]
  }

  #entry(directory: Ino, name: FileName): Entry {
    const row = this.#engine.sql.entry.get(directory, name)
    if (row === undefined) throw new FileError('EIO', `"${name}" has vanished from its page`)
    return { name, inode: toInode(row) }
  }

  async parent(directory: Ino): Promise<Ino> {
    inodeRow(this.#engine, this, directory)
    return this.#engine.sql.place.get(directory)?.directory ?? this.root
  }

  async make(place: Place, what: NewInode, attributes: NewAttributes, origin: Origin) {
    return whenFree(this.#engine.names, this.owner, place, origin, () =>
      toInode(make(this.#engine, this, place, what, attributes, origin)),
    )
  }

  async create(
    place: Place,
    content: Buffer,
    attributes: Partial<NewAttributes>,
    terms: CreateTerms,
  ): Promise<Inode | undefined> {
    return create(this.#engine, this, place, content, attributes, terms)
  }

  async makeNameless(directory: Ino, attributes: NewAttributes, origin: Origin): Promise<Inode> {
    return toInode(makeNameless(this.#engine, this, directory, attributes, origin))
  }

  async link(ino: Ino, place: Place, origin: Origin): Promise<Inode> {
    return whenFree(this.#engine.names, this.owner, place, origin, () =>
      toInode(link(this.#engine, this, ino, place, origin)),
    )
  }

  async remove(
    place: Place,
    how: { kind: RemoveKind; keep: boolean; precondition: Precondition },
    origin: Origin,
  ): Promise<Inode> {
    return freeing(this.#engine, () => toInode(remove(this.#engine, this, place, how, origin)))
  }

  async removeAll(removals: readonly Removal[], origin: Origin): Promise<Removed[]> {
    return freeing(this.#engine, () => removeAll(this.#engine, this, removals, origin))
  }

  async release(ino: Ino, precondition: Precondition): Promise<void> {
    await freeing(this.#engine, () => release(this.#engine, this, ino, precondition))
  }

  async rename(
    from: Place,
    to: Place,
    how: { mode: RenameMode; keep: boolean; source: Precondition; precondition: Precondition },
    origin: Origin,
  ): Promise<{ inode: Inode; replaced: boolean }> {
    return whenFree(this.#engine.names, this.owner, to, origin, () => {
      const { row, replaced } = rename(this.#engine, this, from, to, how, origin)
      return { inode: toInode(row), replaced }
    })
  }

  async copy(
    from: Ino,
    to: Place,
    how: { deep: boolean; source: Precondition; precondition: Precondition },
    origin: Origin,
  ): Promise<{ inode: Inode; replaced: boolean }> {
    const { row, replaced } = await copy(this.#engine, this, from, to, how, origin)
    return { inode: toInode(row), replaced }
  }

  async setAttributes(
    ino: Ino,
    changes: AttributeChanges,
    precondition: Precondition,
    origin: Origin,
  ): Promise<Inode> {
    const { size } = changes
    const row =
      size === undefined
        ? setAttributes(this.#engine, this, ino, changes, precondition, origin)
        : await resize(this.#engine, this, ino, { ...changes, size }, precondition, origin)
    return toInode(row)
  }

  async getXattr(ino: Ino, name: string): Promise<Buffer> {
    return getXattr(this.#engine, this, ino, name)
  }

  async listXattrs(ino: Ino): Promise<string[]> {
    return listXattrs(this.#engine, this, ino)
  }

  async setXattr(
    ino: Ino,
    name: string,
    value: Buffer,
    mode: XattrMode,
    precondition: ValuePrecondition,
    origin: Origin,
  ): Promise<Inode> {
    return toInode(setXattr(this.#engine, this, ino, { name, value, mode, precondition }, origin))
  }

  async removeXattr(
    ino: Ino,
    name: string,
    precondition: ValuePrecondition,
    origin: Origin,
  ): Promise<Inode> {
    return toInode(removeXattr(this.#engine, this, ino, name, precondition, origin))
  }

  async open(ino: Ino): Promise<Content> {
    return open(this.#engine, this, ino)
  }

  async write(
    ino: Ino,
    parts: WriteParts,
    precondition: Precondition,
    origin: Origin,
    changes: AttributeChanges = {},
    expected: ExpectedWrite = {},
  ): Promise<Inode> {
    const terms = { precondition, origin, changes, expected }
    return toInode(await write(this.#engine, this, ino, parts, terms))
  }

  async zero(ino: Ino, range: ZeroRange, precondition: Precondition, origin: Origin) {
    return toInode(await zero(this.#engine, this, ino, range, precondition, origin))
  }

  async copyRange(range: CopiedRange, precondition: Precondition, origin: Origin) {
    const { row, bytes } = await copyRange(this.#engine, this, range, precondition, origin)
    return { inode: toInode(row), bytes }
  }

  async seek(ino: Ino, position: number, what: 'data' | 'hole'): Promise<number | undefined> {
    return seek(this.#engine, this, ino, position, what)
  }

  async reserve(count: number): Promise<Ino> {
    return reserve(this.#engine, this, count)
  }

  async upload(expected: Expected = {}): Promise<Upload> {
    return new FileUpload(this.#engine, this, expected)
  }

  async beginUpload(record: UploadRecord, replaces?: Ino): Promise<void> {
    const size = record.length
    const checked = new FileUpload(this.#engine, this, { size, replaces: replaces ?? 'nothing' })
    await checked.abort()
    begin(this.#engine, this, record, checked.generation, replaces)
  }

  async resumeUpload(id: string): Promise<ResumableUpload | undefined> {
    const row = uploadRow(this.#engine, this, id)
    return row && resumeUpload(this.#engine, this, row)
  }

  async uploadsUnderWay(): Promise<UploadsUnderWay> {
    return underWay(this.#engine, this)
  }

  async totals(): Promise<Totals> {
    return totals(this.#engine, this)
  }

  async require({ bytes = 0, inodes = 0 }): Promise<void> {
    checkRoom(this.#engine, this, { bytes, inodes })
  }
}
