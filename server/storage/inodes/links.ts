import { type InodeRow, rowWith } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import { dropContent, STORED } from '../content/stored.js'
import type { Timespec } from '../parts/clock.js'
import type { Engine } from '../parts/engine.js'
import { NOTHING_USED, type Usage } from '../parts/usage.js'
import { changed, isDirectory, S_IFMT, TYPE_BITS } from './inode.js'

/** Bytes an inode's content counts for against the quota; a directory or a symlink counts as a file only. */
export function bytesOf(row: { readonly mode: number; readonly size: number }): number {
  return (row.mode & S_IFMT) === TYPE_BITS.file ? row.size : 0
}

/** Within a transaction: a directory gained or lost names, and so many subdirectories. */
export function touchDirectory(engine: Engine, ino: number, subdirectories: number, now: Timespec) {
  engine.sql.touchDirectory.run(subdirectories, now, ino)
}

/** What is left of an inode when it has lost a name. */
export interface Dropped {
  readonly row: InodeRow
  readonly usage: Usage
  /** Its number, if it ceased to exist. */
  readonly gone?: number
}

/**
 * Within a transaction: an inode loses one name. Without another it ceases to exist, or (`keep`) stays for who has it
 * open. @throws ENOTEMPTY
 */
export function dropLink(engine: Engine, row: InodeRow, keep: boolean, now: Timespec): Dropped {
  const directory = isDirectory(row)
  if (directory && engine.sql.someEntry.get(row.ino) !== undefined) {
    throw new FileError('ENOTEMPTY', 'the directory is not empty')
  }
  const left = rowWith(row, changed(now), { nlink: directory ? 0 : row.nlink - 1 })
  if (left.nlink > 0 || keep) {
    engine.sql.updateInode.run(left)
    if (left.nlink === 0) engine.sql.keep.run(row.ino, engine.clock().sec, 0)
    return { row: left, usage: left.nlink > 0 ? { ...NOTHING_USED, links: -1 } : NOTHING_USED }
  }
  return { row: left, usage: destroy(engine, row), gone: row.ino }
}

/** Within a transaction: an inode without a name ceases to exist, and its content with it. Answers what that frees. */
export function destroy(engine: Engine, row: InodeRow): Usage {
  const { sql } = engine
  sql.deleteInode.run(row.ino)
  const xattrs = sql.removeXattrs.all(row.ino).reduce((sum, { bytes }) => sum + bytes, 0)
  if (row.stored === STORED.file) sql.deleteUndo.run(row.ino)
  sql.unkeep.run(row.ino)
  dropContent(engine, row)
  return { bytes: -(bytesOf(row) + xattrs), inodes: -1 }
}
