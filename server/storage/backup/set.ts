import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import type { Database } from '../../database/database.js'
import { opening } from '../../database/open-error.js'
import { contentPath } from '../disk/content-path.js'

/**
 * A backup is a directory: `coffer.db`, a whole database as it was at one moment, with one table more that lists the
 * contents; `content/`, each content under its generation and version, so that a later backup adds to it and never
 * changes what is there; and files of the server under `files/`.
 */
export const DATABASE = 'coffer.db'
export const CONTENT = 'content'
export const FILES = 'files'

/** A content in a backup. `reusable` is 0 if a write was under way: the next backup copies it again, beside this one. */
export interface BackedUp {
  readonly generation: number
  readonly version: number
  readonly bytes: number
  readonly sha256: string
  readonly reusable: 0 | 1
}

const TABLE = `CREATE TABLE backup_contents (generation INTEGER NOT NULL, version INTEGER NOT NULL, bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL, reusable INTEGER NOT NULL, PRIMARY KEY (generation, version)) STRICT, WITHOUT ROWID`
export const DROP_TABLE = 'DROP TABLE backup_contents'

const FILE_TABLE = `CREATE TABLE backup_files (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL) STRICT, WITHOUT ROWID`
export const DROP_FILE_TABLE = 'DROP TABLE backup_files'

/** The list of contents in the database of a backup. */
export function contentList(database: Database, make: 'make' | 'read') {
  if (make === 'make') database.exec(`${TABLE}; ${FILE_TABLE}`)
  return {
    add: database.prepare<[number, number, number, string, 0 | 1]>(
      'INSERT OR IGNORE INTO backup_contents VALUES (?, ?, ?, ?, ?)',
    ),
    find: database.prepare<[number, number], BackedUp>(
      'SELECT * FROM backup_contents WHERE generation = ? AND version = ?',
    ),
    all: database.prepare<[], BackedUp>(
      'SELECT * FROM backup_contents ORDER BY generation, version',
    ),
    addFile: database.prepare<[string, string]>('INSERT INTO backup_files VALUES (?, ?)'),
    files: database.prepare<[], { path: string; sha256: string }>('SELECT * FROM backup_files'),
  }
}

/** Opens the database of a backup. */
export function openBackup(path: string, mode: 'read' | 'write'): Database {
  return opening(
    path,
    () => new BetterSqlite3(path, { readonly: mode === 'read', fileMustExist: true }),
  )
}

/** Whether a file is the database of a backup, not that of a server or something else. */
export function isBackup(path: string, mode: 'read' | 'write' = 'read'): boolean {
  const database = openBackup(path, mode)
  const table = `SELECT 1 FROM sqlite_master WHERE name = 'backup_contents'`
  try {
    return opening(path, () => database.prepare(table).get() !== undefined)
  } catch (error) {
    const { cause } = error as Error
    if (!(cause instanceof BetterSqlite3.SqliteError)) throw error
    if (cause.code === 'SQLITE_NOTADB') return false
    // A first start that was killed while it made the database has left that undone: it is, before anything can be read.
    if (cause.code === 'SQLITE_READONLY_ROLLBACK' && mode === 'read') return isBackup(path, 'write')
    throw error
  } finally {
    database.close()
  }
}

export function backupContentPath(backup: string, generation: number, version: number): string {
  return `${contentPath(join(backup, CONTENT), generation)}.${version}`
}
