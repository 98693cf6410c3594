import { BUSY_MILLISECONDS, type Database } from './database.js'

/** Does work while nobody writes to the database or its log. */
export function alone<T>(database: Database, work: () => T): T {
  return database.transaction(work).immediate()
}

/** Writes all of the log back to the database and cuts it to nothing. @returns false if somebody reads what is older */
export function emptyLog(database: Database): boolean {
  // nobody is waited for: the event loop would be
  database.pragma('busy_timeout = 0')
  try {
    return retried(() => database.pragma('wal_checkpoint(TRUNCATE)', { simple: true })) === 0
  } finally {
    database.pragma(`busy_timeout = ${BUSY_MILLISECONDS}`)
  }
}

/** Once more after a failure: that of a sync is told to each descriptor, also of what was made good since. */
function retried<T>(work: () => T): T {
  try {
    return work()
  } catch {
    return work()
  }
}
