import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import { STORED, smallContent } from '../content/stored.js'
import { putBack } from '../content/undo.js'
import { failure } from '../failure.js'
import { inodeRow, liveDirectoryRow, mustHold } from '../inodes/access.js'
import { isDirectory, PERMISSIONS, typeOf } from '../inodes/inode.js'
import { bytesOf, touchDirectory } from '../inodes/links.js'
import { type Draft, insertInode } from '../inodes/new-inode.js'
import { whenFree } from '../name-guard.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { checkRoom } from '../parts/room.js'
import { NOTHING_USED } from '../parts/usage.js'
import { type Ino, type Origin, overwrite, type Place, type Precondition } from '../storage.js'
import { demolish } from './demolish.js'
import { NO_CONTENT } from './names.js'
import { replace } from './rename.js'

/** Entries of a directory copied in one transaction. */
const PAGE = 100

/**
 * Copies a file, or a directory with all it contains. The copy grows where nobody sees it, in short steps, and gets its
 * name in one transaction; what a crash leaves of it is swept.
 */
export async function copy(
  engine: Engine,
  tree: TreeId,
  from: Ino,
  to: Place,
  how: { deep: boolean; source: Precondition; precondition: Precondition },
  origin: Origin,
): Promise<{ row: InodeRow; replaced: boolean }> {
  const source = inodeRow(engine, tree, from)
  attachable(engine, tree, source, to, how.precondition)
  const root = await build(engine, tree, source, how.source)
  try {
    if (isDirectory(source) && how.deep) await fill(engine, tree, source.ino, root.ino)
    return await whenFree(engine.names, tree.owner, to, origin, () =>
      attach(engine, tree, root, to, how.precondition, origin),
    )
  } catch (error) {
    await demolish(engine, root.ino).catch(() => {})
    throw failure(error)
  }
}

/** Checks before the work what `attach` checks after it. */
function attachable(
  engine: Engine,
  tree: TreeId,
  source: InodeRow,
  to: Place,
  precondition: Precondition,
): void {
  liveDirectoryRow(engine, tree, to.directory)
  const target = engine.sql.entry.get(to.directory, to.name)
  mustHold(precondition, target)
  if (target === undefined) return
  if (target.ino === source.ino)
    throw new FileError('EPERM', 'the source and the destination are the same')
  if (isDirectory(source) !== isDirectory(target)) {
    throw isDirectory(source)
      ? new FileError('ENOTDIR', 'a directory cannot replace what is no directory')
      : new FileError('EISDIR', 'only a directory can replace a directory')
  }
}

/** Gives a finished copy its name. */
function attach(
  engine: Engine,
  tree: TreeId,
  root: InodeRow,
  to: Place,
  precondition: Precondition,
  origin: Origin,
): { row: InodeRow; replaced: boolean } {
  const now = engine.clock()
  return engine.transactions.run(() => {
    liveDirectoryRow(engine, tree, to.directory)
    const target = engine.sql.entry.get(to.directory, to.name)
    mustHold(precondition, target)
    const dropped = target && replace(engine, target, isDirectory(root), false, now)
    if (target === undefined) engine.sql.insertEntry.run(to.directory, to.name, root.ino)
    else engine.sql.setEntry.run(root.ino, to.directory, to.name)
    const gained = (isDirectory(root) ? 1 : 0) - (target && isDirectory(target) ? 1 : 0)
    touchDirectory(engine, to.directory, gained, now)
    engine.sql.unkeep.run(root.ino)
    // Its directories were counted while it grew.
    const grown = engine.sql.inode.get(root.ino) ?? root
    const row = { ...grown, nlink: isDirectory(root) ? grown.nlink + 2 : 1 }
    engine.sql.updateInode.run(row)
    if (dropped !== undefined && target !== undefined) {
      const change = { kind: 'remove', ino: target.ino, place: to, gone: dropped.gone } as const
      engine.log.note(tree.id, change, dropped.usage, origin)
    }
    engine.log.note(tree.id, { kind: 'make', ino: row.ino, place: to }, NOTHING_USED, origin)
    return { row, replaced: target !== undefined }
  })
}

/** A copy of one inode, content and attributes, without a name. */
async function build(
  engine: Engine,
  tree: TreeId,
  source: InodeRow,
  precondition: Precondition,
): Promise<InodeRow> {
  const draft = await drafted(engine, tree, source, precondition)
  const number = { fresh: engine.inos.next() }
  return inserting(engine, [draft], () => {
    const row = insertCopy(engine, tree, source, draft, number)
    const hidden = { ...row, nlink: 0 }
    engine.sql.updateInode.run(hidden)
    engine.sql.keep.run(row.ino, engine.clock().sec, 1)
    return hidden
  })
}

/** Copies what a directory contains, page by page, depth first: memory grows with the depth alone. */
async function fill(engine: Engine, tree: TreeId, from: Ino, to: Ino): Promise<void> {
  const stack = [{ from, to, after: '' }]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    // What is at hand is waited for in no turn of its own: without these everybody would wait for all of it.
    await new Promise((resolve) => setImmediate(resolve))
    await engine.checkpoints.pause()
    const { from: source, to: target, after } = top
    const page = engine.sql.entries.all(source, after, PAGE)
    const last = page.at(-1)
    if (last === undefined) {
      stack.pop()
      continue
    }
    const subdirectory = page.findIndex(isDirectory)
    const some = subdirectory === -1 ? page : page.slice(0, subdirectory + 1)
    const copied = await copyPage(engine, tree, target, some)
    top.after = some.at(-1)?.name ?? last.name
    const lastCopied = copied.at(-1)
    const lastSource = some.at(-1)
    if (lastCopied !== undefined && lastSource !== undefined && isDirectory(lastSource)) {
      stack.push({ from: lastSource.ino, to: lastCopied.ino, after: '' })
    }
  }
}

async function copyPage(
  engine: Engine,
  tree: TreeId,
  target: Ino,
  page: readonly (InodeRow & { readonly name: string })[],
): Promise<InodeRow[]> {
  const drafts: Draft[] = []
  try {
    for (const source of page) drafts.push(await drafted(engine, tree, source, overwrite))
  } catch (error) {
    discard(engine, drafts)
    throw error
  }
  const numbers = page.map(() => ({ fresh: engine.inos.next() }))
  const now = engine.clock()
  return inserting(engine, drafts, () =>
    page.map((source, index) => {
      const draft = drafts[index]
      const number = numbers[index]
      if (draft === undefined || number === undefined) throw new FileError('EIO', 'a copy was lost')
      const row = insertCopy(engine, tree, source, draft, number)
      engine.sql.insertEntry.run(target, source.name, row.ino)
      touchDirectory(engine, target, isDirectory(row) ? 1 : 0, now)
      return row
    }),
  )
}

/** Inserts drafts in one transaction; if that fails, their contents go. */
function inserting<T>(engine: Engine, drafts: readonly Draft[], work: () => T): T {
  try {
    const result = engine.transactions.run(work)
    for (const { stored, generation } of drafts) {
      if (stored === STORED.file) engine.durability.touched(generation)
    }
    return result
  } catch (error) {
    discard(engine, drafts)
    throw error
  }
}

function discard(engine: Engine, drafts: readonly Draft[]): void {
  for (const { stored, generation } of drafts)
    if (stored === STORED.file) engine.contents.discard(generation)
}

/** Copies the content of a file, which no one may write meanwhile. */
async function drafted(
  engine: Engine,
  tree: TreeId,
  source: InodeRow,
  precondition: Precondition,
): Promise<Draft> {
  const type = typeOf(source)
  const generation = type === 'file' ? engine.generations.next() : NO_CONTENT
  return engine.locks.hold(source.ino, async () => {
    if (engine.unrestored.has(source.ino)) await putBack(engine, source.ino)
    const row = inodeRow(engine, tree, source.ino)
    mustHold(precondition, row)
    checkRoom(engine, tree, { bytes: bytesOf(row), inodes: 1 })
    const common = {
      type,
      mode: row.mode & PERMISSIONS,
      uid: row.uid,
      gid: row.gid,
      atime: { sec: row.atime_sec, nsec: row.atime_nsec },
      mtime: { sec: row.mtime_sec, nsec: row.mtime_nsec },
      size: isDirectory(row) ? 0 : row.size,
      rdev: row.rdev,
      target: row.target,
      generation,
      stored: row.stored,
      allocated: null,
    }
    if (row.stored === STORED.database) return { ...common, small: smallContent(engine, row) }
    if (row.stored === STORED.nowhere) return common
    try {
      engine.space.take(engine.contents.allocated(row.generation))
      await engine.contents.copy(row.generation, generation)
      const { allocated } = row
      return allocated === null
        ? common
        : { ...common, allocated: engine.contents.holed(generation, row.size) }
    } catch (error) {
      engine.contents.discard(generation)
      throw failure(error)
    }
  })
}

/** Within a transaction: the inode of a copy with its xattrs, counted against the quota. */
function insertCopy(
  engine: Engine,
  tree: TreeId,
  source: InodeRow,
  draft: Draft,
  number: { readonly fresh: number },
): InodeRow {
  const row = insertInode(engine, tree, draft, number, engine.clock())
  let bytes = bytesOf(row)
  for (const { name, value } of engine.sql.xattrs.all(source.ino)) {
    engine.sql.setXattr.run(row.ino, name, value)
    bytes += value.length
  }
  engine.log.charge(tree.id, { bytes, inodes: 1 })
  return row
}
