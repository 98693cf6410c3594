import BetterSqlite3 from 'better-sqlite3'
import { MIGRATIONS } from './migrations.js'
import { opening } from './open-error.js'

export type Database = BetterSqlite3.Database

/**
 * Opens the metadata database and brings its schema up to date.
 *
 * `synchronous=NORMAL` in WAL mode survives `kill -9` at once; what must survive loss of power waits for a sync of the
 * WAL file (server/storage/durability.ts), so the event loop never blocks on the disk.
 * @param path the file, or ":memory:"
 */
export function openDatabase(path: string): Database {
  return opening(path, () => {
    const database = new BetterSqlite3(path)
    try {
      database.pragma('journal_mode = WAL')
      database.pragma('synchronous = NORMAL')
      database.pragma('foreign_keys = ON')
      database.pragma('busy_timeout = 10000')
      migrate(database)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
}

/** Applies what is missing, each step in one transaction with its number. */
function migrate(database: Database): void {
  const applied = Number(database.pragma('user_version', { simple: true }))
  if (applied > MIGRATIONS.length) {
    throw new Error(
      `the data directory was written by a newer Coffer (schema ${applied}, this one knows ${MIGRATIONS.length})`,
    )
  }
  MIGRATIONS.slice(applied).forEach((sql, index) => {
    database.transaction(() => {
      database.exec(sql)
      database.pragma(`user_version = ${applied + index + 1}`)
    })()
  })
}
