import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import type { Engine, TreeId } from '../parts/engine.js'
import type { StoragePath } from '../path.js'
import { overwrite, type Precondition } from '../storage.js'
import { isDirectory, toInode, typeOf } from './inode.js'

/** How exactly the last use of an inode without a name is known, in seconds. */
const USE_RESOLUTION = 15 * 60

/**
 * The one way from an inode number to an inode: whether it may be reached from this tree is decided here and nowhere
 * else. Today that is ownership; a grafted folder will be one more answer.
 * @throws ENOENT (unknown, or somebody else's), ESTALE (its last name is gone)
 */
export function inodeRow(engine: Engine, tree: TreeId, ino: number): InodeRow {
  const row = engine.sql.inode.get(ino)
  if (row?.tree === tree.id) {
    if (row.nlink === 0) used(engine, ino)
    return row
  }
  if (row === undefined && engine.sql.wasHere.get(ino, tree.id) !== undefined) {
    throw new FileError('ESTALE', 'the file is gone: its last name was removed')
  }
  throw new FileError('ENOENT', `there is no inode ${ino}`)
}

/** @throws ENOTDIR too */
export function directoryRow(engine: Engine, tree: TreeId, ino: number): InodeRow {
  const row = inodeRow(engine, tree, ino)
  if (!isDirectory(row)) throw new FileError('ENOTDIR', 'this is no directory')
  return row
}

/** Walks names from a directory. @throws ENOENT, ENOTDIR */
export function walkedRow(engine: Engine, tree: TreeId, from: number, path: StoragePath): InodeRow {
  // the root is always there, and a directory: most requests need not look it up
  let row = from === tree.root && path.length > 0 ? undefined : inodeRow(engine, tree, from)
  for (const name of path) {
    if (row !== undefined && !isDirectory(row)) {
      throw new FileError('ENOTDIR', `what holds "${name}" is no directory`)
    }
    row = engine.sql.entry.get(row?.ino ?? tree.root, name)
    if (row === undefined) throw new FileError('ENOENT', `there is no "${name}"`)
  }
  if (row === undefined) throw new FileError('ENOENT', 'there is nothing at this path')
  return row
}

/** A directory that can take new names: not one that was removed and is only still open. */
export function liveDirectoryRow(engine: Engine, tree: TreeId, ino: number): InodeRow {
  const row = directoryRow(engine, tree, ino)
  if (row.nlink === 0) throw new FileError('ENOENT', 'the directory was removed')
  return row
}

/** A regular file. @throws EISDIR, EINVAL */
export function fileRow(engine: Engine, tree: TreeId, ino: number): InodeRow {
  const row = inodeRow(engine, tree, ino)
  requireFile(row)
  return row
}

/** Asks a precondition about what is there; where all may be overwritten, nothing is made up for it to look at. */
export function mustHold(precondition: Precondition, row: InodeRow | undefined): void {
  if (precondition !== overwrite) precondition(row && toInode(row))
}

function requireFile(row: InodeRow): void {
  const type = typeOf(row)
  if (type === 'file') return
  if (type === 'directory') throw new FileError('EISDIR', 'this is a directory')
  throw new FileError('EINVAL', `this is a ${type}, which has no content`)
}

/** The file whose content an upload replaces. @throws ESTALE, ELOOP, EISDIR, EINVAL, and what the precondition throws */
export function replaceable(engine: Engine, ino: number, precondition: Precondition): InodeRow {
  const row = engine.sql.inode.get(ino)
  if (row === undefined) throw new FileError('ESTALE', 'the file is gone')
  if (typeOf(row) === 'symlink') {
    throw new FileError('ELOOP', 'this is a symlink, which uploads do not follow')
  }
  requireFile(row)
  mustHold(precondition, row)
  return row
}

function used(engine: Engine, ino: number): void {
  const kept = engine.sql.kept.get(ino)
  const now = engine.clock().sec
  if (kept === undefined || kept.used + USE_RESOLUTION >= now) return
  try {
    engine.sql.touchKept.run(now, ino)
  } catch {
    // On a full disk reading goes on; the use is noted by the next.
  }
}
