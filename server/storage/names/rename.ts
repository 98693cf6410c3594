import { type InodeRow, rowWith } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import { liveDirectoryRow, mustHold } from '../inodes/access.js'
import { changed, isDirectory } from '../inodes/inode.js'
import { type Dropped, dropLink, touchDirectory } from '../inodes/links.js'
import type { Timespec } from '../parts/clock.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { NOTHING_USED } from '../parts/usage.js'
import type { Ino, Origin, Place, Precondition, RenameMode } from '../storage.js'
import { named } from './names.js'

/** Directories above another are counted up to here; nobody's work goes deeper, and the walk must end. */
const DEPTH_MAX = 10_000

/** renameat2(2). */
export function rename(
  engine: Engine,
  tree: TreeId,
  from: Place,
  to: Place,
  how: { mode: RenameMode; keep: boolean; source: Precondition; precondition: Precondition },
  origin: Origin,
): { row: InodeRow; replaced: boolean } {
  const now = engine.clock()
  return engine.transactions.run(() => {
    const source = named(engine, tree, from)
    mustHold(how.source, source)
    liveDirectoryRow(engine, tree, to.directory)
    const target = engine.sql.entry.get(to.directory, to.name)
    mustHold(how.precondition, target)
    if (how.mode === 'noreplace' && target !== undefined) {
      throw new FileError('EEXIST', `"${to.name}" exists`)
    }
    if (how.mode === 'exchange' && target === undefined) {
      throw new FileError('ENOENT', `there is no "${to.name}" to exchange with`)
    }
    if (target?.ino === source.ino) return { row: source, replaced: false }
    if (isDirectory(source)) outside(engine, source.ino, to.directory)
    if (how.mode === 'exchange' && target !== undefined) {
      if (isDirectory(target)) outside(engine, target.ino, from.directory)
      return { row: exchange(engine, tree, from, to, source, target, now, origin), replaced: true }
    }
    const dropped = target && replace(engine, target, isDirectory(source), how.keep, now)
    if (target === undefined) engine.sql.insertEntry.run(to.directory, to.name, source.ino)
    else engine.sql.setEntry.run(source.ino, to.directory, to.name)
    engine.sql.deleteEntry.run(from.directory, from.name)
    const subdirectories = isDirectory(source) ? 1 : 0
    touchDirectory(engine, from.directory, -subdirectories, now)
    touchDirectory(
      engine,
      to.directory,
      subdirectories - (target !== undefined && isDirectory(target) ? 1 : 0),
      now,
    )
    const moved = rowWith(source, changed(now))
    engine.sql.updateInode.run(moved)
    engine.log.note(
      tree.id,
      { kind: 'rename', ino: source.ino, place: from, to, other: target?.ino, gone: dropped?.gone },
      dropped?.usage ?? NOTHING_USED,
      origin,
    )
    return { row: moved, replaced: target !== undefined }
  })
}

/**
 * Within a transaction: what stands where something else goes loses its name.
 * @throws ENOTDIR, EISDIR, ENOTEMPTY
 */
export function replace(
  engine: Engine,
  target: InodeRow,
  byDirectory: boolean,
  keep: boolean,
  now: Timespec,
): Dropped {
  if (byDirectory && !isDirectory(target)) {
    throw new FileError('ENOTDIR', 'a directory cannot replace what is no directory')
  }
  if (!byDirectory && isDirectory(target)) {
    throw new FileError('EISDIR', 'only a directory can replace a directory')
  }
  return dropLink(engine, target, keep, now)
}

function exchange(
  engine: Engine,
  tree: TreeId,
  from: Place,
  to: Place,
  source: InodeRow,
  target: InodeRow,
  now: Timespec,
  origin: Origin,
): InodeRow {
  engine.sql.setEntry.run(source.ino, to.directory, to.name)
  engine.sql.setEntry.run(target.ino, from.directory, from.name)
  const subdirectories = (isDirectory(source) ? 1 : 0) - (isDirectory(target) ? 1 : 0)
  touchDirectory(engine, from.directory, -subdirectories, now)
  touchDirectory(engine, to.directory, subdirectories, now)
  const moved = rowWith(source, changed(now))
  engine.sql.updateInode.run(moved)
  engine.sql.updateInode.run({ ...target, ...changed(now) })
  engine.log.note(
    tree.id,
    { kind: 'exchange', ino: source.ino, place: from, to, other: target.ino },
    NOTHING_USED,
    origin,
  )
  return moved
}

/** @throws EINVAL if a directory is another one, or above it */
function outside(engine: Engine, directory: Ino, other: Ino): void {
  let above: Ino | undefined = other
  for (let depth = 0; above !== undefined; depth += 1) {
    if (above === directory) {
      throw new FileError('EINVAL', 'a directory cannot be moved into itself')
    }
    if (depth === DEPTH_MAX) throw new FileError('ELOOP', 'the directory lies too deep')
    above = engine.sql.place.get(above)?.directory
  }
}
