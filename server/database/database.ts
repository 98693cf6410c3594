import BetterSqlite3 from 'better-sqlite3'
import { type Alone, migrate } from './migrate.js'
import { opening } from './open-error.js'

export type Database = BetterSqlite3.Database

/** How long a transaction waits for one of another process. */
export const BUSY_MILLISECONDS = 10_000

/**
 * Opens the metadata database and brings its schema up to date.
 *
 * `synchronous=NORMAL` in WAL mode survives `kill -9` at once; what must survive loss of power waits for a sync of the
 * WAL file (server/storage/disk/durability.ts), so the event loop never blocks on the disk.
 * @param path the file, or ":memory:"
 * @param alone called before the schema is brought up to date; without it the caller sees to that nobody else has the database
 */
export function openDatabase(path: string, alone?: Alone): Database {
  return opening(path, () => {
    const database = new BetterSqlite3(path)
    try {
      database.pragma('journal_mode = WAL')
      database.pragma('synchronous = NORMAL')
      database.pragma('foreign_keys = ON')
      database.pragma(`busy_timeout = ${BUSY_MILLISECONDS}`)
      migrate(database, alone)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
}
