import type { Statement } from 'better-sqlite3'
import type { Database } from '../database.js'
import { changeStatements } from './changes.js'
import { chargeStatement } from './charge.js'
import { inodeRows } from './inode-rows.js'
import { recoveryStatements } from './recovery.js'
import { reservationStatements } from './reservations.js'
import { spelledEntries } from './spelled-entries.js'
import { treeStatements } from './trees.js'
import { uploadStatements } from './uploads.js'

/** The prepared statements of the file side, by name; each is an indexed access of constant cost. */
export type FileStatements = ReturnType<typeof fileStatements>

/** What is asked of statements that may have a cache before them (cached-statements.ts). */
export interface One<P extends unknown[], R> {
  get(...parameters: P): R | undefined
}
export interface Change<P extends unknown[]> {
  run(...parameters: P): unknown
}

/** As struct timespec has it. */
export interface Time {
  readonly sec: number
  readonly nsec: number
}

/** Prepares the file side's statements on a connection. */
export function fileStatements(database: Database) {
  const row = <P extends unknown[], R>(sql: string): Statement<P, R> =>
    database.prepare<P, R>(sql) as Statement<P, R>
  return {
    ...inodeRows(database),
    ...spelledEntries(database),
    ...inodeStatements(row),
    ...entryStatements(row),
    ...treeStatements(row),
    ...chargeStatement(row),
    ...changeStatements(row),
    ...reservationStatements(row),
    ...recoveryStatements(row),
    ...uploadStatements(row),
  }
}

/** Prepares a statement whose parameters and rows have these types. */
export type Prepare = <P extends unknown[], R>(sql: string) => Statement<P, R>

function inodeStatements(row: Prepare) {
  /** Counts subdirectories and versions; sets mtime and ctime. */
  const touch = row<
    [subdirectories: number, sec: number, nsec: number, sec: number, nsec: number, ino: number],
    never
  >(
    `UPDATE inodes SET nlink = nlink + ?, version = version + 1, mtime_sec = ?, mtime_nsec = ?, ctime_sec = ?,
     ctime_nsec = ? WHERE ino = ?`,
  )
  const touchDirectory: Change<[subdirectories: number, now: Time, ino: number]> = {
    run: (subdirectories, { sec, nsec }, ino) =>
      touch.run(subdirectories, sec, nsec, sec, nsec, ino),
  }
  const smallContent: One<[ino: number], { data: Buffer }> = row(
    'SELECT data FROM small_contents WHERE ino = ?',
  )
  // Not REPLACE, which frees the pages of what was there and takes others: an update of the same length stays in place.
  const setSmallContent: Change<[ino: number, data: Buffer]> = row(
    `INSERT INTO small_contents VALUES (?, ?) ON CONFLICT (ino) DO UPDATE SET data = excluded.data`,
  )
  const deleteSmallContent: Change<[ino: number]> = row('DELETE FROM small_contents WHERE ino = ?')
  const deleteInode: Change<[ino: number]> = row('DELETE FROM inodes WHERE ino = ?')
  return {
    touchDirectory,
    deleteInode,
    ofGeneration: row<[generation: number], { ino: number }>(
      'SELECT ino FROM inodes WHERE stored = 1 AND generation = ?',
    ),
    /** Which of a range of generations an inode has, or an upload under way. */
    generations: row<[first: number, last: number], { generation: number }>(
      `WITH range (first, last) AS (VALUES (?, ?))
       SELECT generation FROM inodes, range WHERE stored = 1 AND generation BETWEEN first AND last
       UNION ALL SELECT generation FROM uploads, range
       WHERE finished IS NULL AND generation BETWEEN first AND last`,
    ),
    smallContent,
    setSmallContent,
    /** The same, of one that was read for it, with bytes that nobody will change: the next write needs them again. */
    rewriteSmallContent: setSmallContent,
    deleteSmallContent,
    xattr: row<[ino: number, name: string], { value: Buffer }>(
      'SELECT value FROM xattrs WHERE ino = ? AND name = ?',
    ),
    xattrs: row<[ino: number], { name: string; value: Buffer }>(
      'SELECT name, value FROM xattrs WHERE ino = ? ORDER BY name',
    ),
    xattrSizes: row<[ino: number], { name: string; bytes: number }>(
      'SELECT name, length(value) AS bytes FROM xattrs WHERE ino = ? ORDER BY name',
    ),
    setXattr: row<[ino: number, name: string, value: Buffer], never>(
      'INSERT OR REPLACE INTO xattrs VALUES (?, ?, ?)',
    ),
    removeXattr: row<[ino: number, name: string], never>(
      'DELETE FROM xattrs WHERE ino = ? AND name = ?',
    ),
    removeXattrs: row<[ino: number], { bytes: number }>(
      'DELETE FROM xattrs WHERE ino = ? RETURNING length(value) AS bytes',
    ),
  }
}

function entryStatements(row: Prepare) {
  const insertEntry: Change<[directory: number, name: string, ino: number]> = row(
    'INSERT INTO entries VALUES (?, ?, ?)',
  )
  const setEntry: Change<[ino: number, directory: number, name: string]> = row(
    'UPDATE entries SET ino = ? WHERE directory = ? AND name = ?',
  )
  const deleteEntry: Change<[directory: number, name: string]> = row(
    'DELETE FROM entries WHERE directory = ? AND name = ?',
  )
  return {
    someEntry: row<[directory: number], { ino: number }>(
      'SELECT ino FROM entries WHERE directory = ? LIMIT 1',
    ),
    /** Where an inode is named: one place of perhaps several. */
    place: row<[ino: number], { directory: number; name: string }>(
      'SELECT directory, name FROM entries WHERE ino = ? LIMIT 1',
    ),
    insertEntry,
    setEntry,
    deleteEntry,
  }
}
