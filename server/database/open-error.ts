import BetterSqlite3 from 'better-sqlite3'

const DAMAGED =
  'it is damaged: make a new data directory of a backup with "coffer-server --data DIRECTORY restore BACKUP"'
const UNUSABLE = 'this user must be able to read and to write it, and its directory'
const FULL = 'its disk is full: make room there first'

/** What to do about what SQLite says of a file that it cannot open; its own words do not even name that. */
const ADVICE: Readonly<Record<string, string>> = {
  SQLITE_NOTADB: DAMAGED,
  SQLITE_CORRUPT: DAMAGED,
  SQLITE_CANTOPEN: UNUSABLE,
  SQLITE_READONLY: UNUSABLE,
  SQLITE_FULL: FULL,
  SQLITE_IOERR_SHMSIZE: FULL,
}

/** @throws Error that names the file, and `open` failed for */
export function opening<T>(path: string, open: () => T): T {
  try {
    return open()
  } catch (cause) {
    if (!(cause instanceof BetterSqlite3.SqliteError)) throw cause
    const { code, message } = cause
    const advice = ADVICE[code] ?? ADVICE[code.split('_', 2).join('_')]
    const told = advice === undefined ? message : `${message}; ${advice}`
    throw new Error(`cannot open ${path}: ${told}`, { cause })
  }
}
