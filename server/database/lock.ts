import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { opening } from './open-error.js'

/** Holds a directory until it is released or the process ends, however that happens. */
export interface Lock {
  release(): void
}

/** What it leaves behind. */
export const LOCK_FILES: readonly string[] = ['lock', 'lock-journal']

/**
 * One server at a time has a data directory: sweeps, the stream of changes and the caches of one server know nothing of
 * another's, so a second one would lose files. The lock is the kernel's, on a file of its own (taken through SQLite), so
 * `kill -9` frees it at once, which a lock file with a time in it does not. Commands beside a running server need no
 * lock: they only use the database, whose transactions hold across processes. Only who brings the schema up to date takes it, for that long.
 */
export function lockDataDirectory(
  directory: string,
  inUse = `${directory} is in use by another coffer-server: stop that one first, or choose another directory with --data or COFFER_DATA`,
): Lock {
  return lock(directory, inUse)
}

/** One backup at a time writes to a directory: it replaces the database there, and removes what no other knows of. */
export function lockBackup(directory: string): Lock {
  return lock(directory, `another backup is being made in ${directory}: let that one end first`)
}

function lock(directory: string, inUse: string): Lock {
  const path = join(directory, 'lock')
  const database = opening(path, () => new BetterSqlite3(path))
  database.pragma('busy_timeout = 1000')
  try {
    opening(path, () => database.exec('BEGIN EXCLUSIVE'))
  } catch (error) {
    database.close()
    const { cause } = error as Error
    if (!(cause instanceof BetterSqlite3.SqliteError) || cause.code !== 'SQLITE_BUSY') throw error
    throw new Error(inUse, { cause })
  }
  return { release: () => database.close() }
}
