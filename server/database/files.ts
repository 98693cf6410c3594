import type { Statement } from 'better-sqlite3'
import { chargeStatement } from './charge.js'
import type { Database } from './database.js'
import { inodeRows } from './inode-rows.js'
import { spelledEntries } from './spelled-entries.js'
import { uploadStatements } from './uploads.js'

export interface TreeRow {
  readonly id: number
  readonly owner: string
  readonly root: number
  readonly bytes: number
  readonly inodes: number
  readonly links: number
  readonly max_bytes: number | null
  readonly max_inodes: number | null
  readonly seq: number
}

export interface UndoRow {
  readonly id: number
  readonly ino: number
  readonly generation: number
  readonly position: number
  readonly length: number
  readonly data: Buffer | null
  readonly spool: number | null
  readonly spool_position: number | null
}

export interface ChangeRow {
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly ino: number
  readonly directory: number | null
  readonly name: string | null
  readonly to_directory: number | null
  readonly to_name: string | null
  readonly other: number | null
  readonly origin: string | null
  /** By what name its origin knows it. */
  readonly change: string | null
  /** Of a change that has a name: the version that it made of its inode. */
  readonly version: number | null
}

export interface ReservationRow {
  readonly first: number
  readonly last: number
  readonly tree: number
}

/** The prepared statements of the file side, by name; each is an indexed access of constant cost. */
export type FileStatements = ReturnType<typeof fileStatements>

/** What is asked of statements that may have a cache before them (cached-files.ts). */
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
    /** Which of a range of generations an inode has, or an upload under way. */
    generations: row<[first: number, last: number], { generation: number }>(
      `WITH range (first, last) AS (VALUES (?, ?))
       SELECT generation FROM inodes, range WHERE stored = 1 AND generation BETWEEN first AND last
       UNION ALL SELECT generation FROM uploads, range
       WHERE finished IS NULL AND generation BETWEEN first AND last`,
    ),
    smallContent,
    setSmallContent,
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

function treeStatements(row: Prepare) {
  const insertChange = row<(number | string | null)[], never>(
    'INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  )
  return {
    tree: row<[owner: string], TreeRow>('SELECT * FROM trees WHERE owner = ?'),
    treeById: row<[id: number], TreeRow>('SELECT * FROM trees WHERE id = ?'),
    treesAfter: row<[id: number, limit: number], TreeRow>(
      'SELECT * FROM trees WHERE id > ? ORDER BY id LIMIT ?',
    ),
    insertTree: row<[owner: string, root: number], { id: number }>(
      'INSERT INTO trees (owner, root, inodes) VALUES (?, ?, 1) RETURNING id',
    ),
    setQuota: row<[max_bytes: number | null, max_inodes: number | null, id: number], never>(
      'UPDATE trees SET max_bytes = ?, max_inodes = ? WHERE id = ?',
    ),
    setUsage: row<[bytes: number, inodes: number, id: number], never>(
      'UPDATE trees SET bytes = ?, inodes = ? WHERE id = ?',
    ),
    insertChange: {
      run: (tree: number, change: ChangeRow, gone: number | null): unknown =>
        insertChange.run(
          tree,
          change.seq,
          change.at,
          change.kind,
          change.ino,
          change.directory,
          change.name,
          change.to_directory,
          change.to_name,
          change.other,
          gone,
          change.origin,
          change.change,
          change.version,
        ),
    },
    changesAfter: row<[tree: number, seq: number, limit: number], ChangeRow>(
      'SELECT * FROM changes WHERE tree = ? AND seq > ? ORDER BY seq LIMIT ?',
    ),
    changeNamed: row<[origin: string, change: string, tree: number], { version: number | null }>(
      'SELECT version FROM changes WHERE origin = ? AND change = ? AND tree = ? LIMIT 1',
    ),
    oldestChange: row<[tree: number], { seq: number; at: number }>(
      'SELECT seq, at FROM changes WHERE tree = ? ORDER BY seq LIMIT 1',
    ),
    forgetChanges: row<[tree: number, seq: number], never>(
      'DELETE FROM changes WHERE tree = ? AND seq <= ?',
    ),
    wasHere: row<[ino: number, tree: number], { ino: number }>(
      'SELECT gone AS ino FROM changes WHERE gone = ? AND tree = ? LIMIT 1',
    ),
    advance: row<[count: number, name: string], { value: number }>(
      'UPDATE counters SET value = value + ? WHERE name = ? RETURNING value',
    ),
    reservation: row<[ino: number], ReservationRow>(
      'SELECT * FROM reservations WHERE first <= ? ORDER BY first DESC LIMIT 1',
    ),
    insertReservation: row<[first: number, last: number, tree: number, at: number], never>(
      'INSERT INTO reservations VALUES (?, ?, ?, ?)',
    ),
    /** Takes a number that is the first of its range, and not the last. */
    claimFirst: row<[at: number, first: number, tree: number], never>(
      'UPDATE reservations SET first = first + 1, at = ? WHERE first = ? AND last > first AND tree = ?',
    ),
    deleteReservation: row<[first: number], never>('DELETE FROM reservations WHERE first = ?'),
    forgetReservations: row<[at: number, limit: number], never>(
      'DELETE FROM reservations WHERE first IN (SELECT first FROM reservations WHERE at < ? LIMIT ?)',
    ),
  }
}

function recoveryStatements(row: Prepare) {
  return {
    held: row<[generation: number, now: number], { id: number }>(
      'SELECT id FROM holds WHERE generation > ? AND until > ? LIMIT 1',
    ),
    insertHold: row<[until: number], { id: number; generation: number }>(
      `INSERT INTO holds (until, generation)
       SELECT ?, value FROM counters WHERE name = 'generation' RETURNING id, generation`,
    ),
    extendHold: row<[until: number, id: number], never>('UPDATE holds SET until = ? WHERE id = ?'),
    deleteHold: row<[id: number, now: number], never>(
      'DELETE FROM holds WHERE id = ? OR until < ?',
    ),
    keep: row<[ino: number, used: number, building: 0 | 1], never>(
      'INSERT OR REPLACE INTO kept (ino, used, building) VALUES (?, ?, ?)',
    ),
    keepLinkable: row<[ino: number, used: number], never>(
      'INSERT INTO kept (ino, used, building, linkable) VALUES (?, ?, 0, 1)',
    ),
    kept: row<[ino: number], { ino: number; used: number; building: number; linkable: number }>(
      'SELECT * FROM kept WHERE ino = ?',
    ),
    keptBefore: row<[used: number, limit: number], { ino: number }>(
      'SELECT ino FROM kept WHERE used < ? AND building = 0 LIMIT ?',
    ),
    building: row<[limit: number], { ino: number }>(
      'SELECT ino FROM kept WHERE building = 1 LIMIT ?',
    ),
    touchKept: row<[used: number, ino: number], never>('UPDATE kept SET used = ? WHERE ino = ?'),
    unkeep: row<[ino: number], never>('DELETE FROM kept WHERE ino = ?'),
    insertUndo: row<
      [
        ino: number,
        generation: number,
        position: number,
        length: number,
        data: Buffer | null,
        spool: number | null,
        spool_position: number | null,
      ],
      never
    >(
      `INSERT INTO undo (ino, generation, position, length, data, spool, spool_position)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    undo: row<[ino: number], UndoRow>('SELECT * FROM undo WHERE ino = ? ORDER BY id DESC'),
    lastUndo: row<[], UndoRow>('SELECT * FROM undo ORDER BY id DESC LIMIT 1'),
    deleteUndo: row<[ino: number], never>('DELETE FROM undo WHERE ino = ?'),
    deleteUndoRow: row<[id: number], never>('DELETE FROM undo WHERE id = ?'),
  }
}
