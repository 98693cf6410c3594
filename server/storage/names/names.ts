import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import { inodeRow, liveDirectoryRow, mustHold } from '../inodes/access.js'
import { changed, isDirectory } from '../inodes/inode.js'
import { destroy, dropLink, touchDirectory } from '../inodes/links.js'
import { draft, inherited, insertInode } from '../inodes/new-inode.js'
import { insertXattrs } from '../inodes/xattrs.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { NOTHING_USED } from '../parts/usage.js'
import type {
  Ino,
  NewAttributes,
  NewInode,
  Origin,
  Place,
  Precondition,
  RemoveKind,
} from '../storage.js'

/** The most names of a file (LINK_MAX of limits.h), as ext4 has it. */
const LINK_MAX = 65_000
/** The generation of what can have no content. */
export const NO_CONTENT = 0

/** mkdir(2), mknod(2), symlink(2). */
export function make(
  engine: Engine,
  tree: TreeId,
  place: Place,
  what: NewInode,
  attributes: NewAttributes,
  origin: Origin,
): InodeRow {
  const now = engine.clock()
  const generation = what.type === 'file' ? engine.generations.next() : NO_CONTENT
  const made = draft(what, attributes, now, generation)
  const number = inodeNumber(engine, attributes.ino)
  return engine.transactions.run(() => {
    const directory = vacant(engine, tree, place)
    const row = insertInode(engine, tree, inherited(made, directory), number, now)
    engine.sql.insertEntry.run(place.directory, place.name, row.ino)
    touchDirectory(engine, place.directory, isDirectory(row) ? 1 : 0, now)
    const bytes = insertXattrs(engine, row.ino, attributes.xattrs)
    engine.log.note(tree.id, { kind: 'make', ino: row.ino, place }, { bytes, inodes: 1 }, origin)
    return row
  })
}

/** open(2) with `O_TMPFILE`: an empty file that has no name until `link` gives it one. */
export function makeNameless(
  engine: Engine,
  tree: TreeId,
  directory: Ino,
  attributes: NewAttributes,
  origin: Origin,
): InodeRow {
  const now = engine.clock()
  const made = draft({ type: 'file' }, attributes, now, engine.generations.next())
  const number = inodeNumber(engine, attributes.ino)
  return engine.transactions.run(() => {
    const parent = liveDirectoryRow(engine, tree, directory)
    const row = insertInode(engine, tree, inherited(made, parent), number, now)
    const nameless = { ...row, nlink: 0 }
    engine.sql.updateInode.run(nameless)
    engine.sql.keepLinkable.run(row.ino, engine.clock().sec)
    const bytes = insertXattrs(engine, row.ino, attributes.xattrs)
    engine.log.note(tree.id, { kind: 'attributes', ino: row.ino }, { bytes, inodes: 1 }, origin)
    return nameless
  })
}

/** The number of a new inode: the reserved one its maker asked for, or a fresh one. */
export function inodeNumber(engine: Engine, reserved: Ino | undefined) {
  return reserved === undefined ? { fresh: engine.inos.next() } : { reserved }
}

/** Within a transaction: the directory of a name that is still free. @throws EEXIST */
function vacant(engine: Engine, tree: TreeId, place: Place): InodeRow {
  const directory = liveDirectoryRow(engine, tree, place.directory)
  if (engine.sql.entry.get(place.directory, place.name) !== undefined) {
    throw new FileError('EEXIST', `"${place.name}" exists`)
  }
  return directory
}

/** link(2). */
export function link(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  place: Place,
  origin: Origin,
): InodeRow {
  const now = engine.clock()
  return engine.transactions.run(() => {
    const row = inodeRow(engine, tree, ino)
    if (isDirectory(row)) throw new FileError('EPERM', 'a directory cannot have a second name')
    const isFirst = row.nlink === 0
    if (isFirst && engine.sql.kept.get(ino)?.linkable !== 1) {
      throw new FileError('ENOENT', 'the file was removed')
    }
    if (row.nlink >= LINK_MAX) {
      throw new FileError('EMLINK', `a file has at most ${LINK_MAX} names`)
    }
    vacant(engine, tree, place)
    const linked = { ...row, ...changed(now), nlink: row.nlink + 1 }
    engine.sql.updateInode.run(linked)
    engine.sql.insertEntry.run(place.directory, place.name, ino)
    touchDirectory(engine, place.directory, 0, now)
    if (isFirst) engine.sql.unkeep.run(ino)
    const usage = isFirst ? NOTHING_USED : { ...NOTHING_USED, links: 1 }
    engine.log.note(tree.id, { kind: 'make', ino, place }, usage, origin)
    return linked
  })
}

/** unlink(2) and rmdir(2). */
export function remove(
  engine: Engine,
  tree: TreeId,
  place: Place,
  how: { kind: RemoveKind; keep: boolean; precondition: Precondition },
  origin: Origin,
): InodeRow {
  const now = engine.clock()
  return engine.transactions.run(() => {
    const row = named(engine, tree, place)
    if (how.kind === 'unlink' && isDirectory(row)) {
      throw new FileError('EISDIR', `"${place.name}" is a directory`)
    }
    if (how.kind === 'rmdir' && !isDirectory(row)) {
      throw new FileError('ENOTDIR', `"${place.name}" is no directory`)
    }
    mustHold(how.precondition, row)
    const { row: left, usage, gone } = dropLink(engine, row, how.keep, now)
    engine.sql.deleteEntry.run(place.directory, place.name)
    touchDirectory(engine, place.directory, isDirectory(row) ? -1 : 0, now)
    engine.log.note(tree.id, { kind: 'remove', ino: row.ino, place, gone }, usage, origin)
    return left
  })
}

/** What a place names. @throws ENOENT, ENOTDIR */
export function named(engine: Engine, tree: TreeId, place: Place): InodeRow {
  liveDirectoryRow(engine, tree, place.directory)
  const row = engine.sql.entry.get(place.directory, place.name)
  if (row === undefined) throw new FileError('ENOENT', `there is no "${place.name}"`)
  return row
}

/** Gives up an inode kept without a name; one that has a name, or is gone already, stays as it is. */
export function release(engine: Engine, tree: TreeId, ino: Ino, precondition: Precondition): void {
  engine.transactions.run(() => {
    const row = engine.sql.inode.get(ino)
    if (row === undefined && engine.sql.wasHere.get(ino, tree.id) !== undefined) {
      precondition(undefined)
      return
    }
    const kept = inodeRow(engine, tree, ino)
    mustHold(precondition, kept)
    if (kept.nlink > 0) return
    const usage = destroy(engine, kept)
    engine.log.note(tree.id, { kind: 'release', ino, gone: ino }, usage, {})
  })
}
