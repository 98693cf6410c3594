import { randomBytes } from 'node:crypto'
import type { Database } from './database.js'

/** The newest so many are known: some years of one an hour, and nothing that counts beside the rest. */
const KNOWN_MAX = 50_000

/**
 * The backups that were made of a data directory, each by a name that is drawn for it. A backup has its own as the newest,
 * and so has what is restored from it. Of two data directories of one beginning only that one knows a backup which has made
 * it: the other was copied, restored or put back, and gives the same numbers to other contents.
 */
export function noteBackup(database: Database): void {
  database
    .transaction(() => {
      database
        .prepare('INSERT INTO backups (name) VALUES (?)')
        .run(randomBytes(16).toString('base64url'))
      database
        .prepare('DELETE FROM backups WHERE number <= (SELECT max(number) FROM backups) - ?')
        .run(KNOWN_MAX)
    })
    .immediate()
}

/** Whether this data directory has made that backup, or goes on from it. One of an earlier version does not say its name. */
export function knowsBackup(database: Database, backup: Database): boolean {
  const says = `SELECT 1 FROM sqlite_master WHERE name = 'backups'`
  if (backup.prepare(says).get() === undefined) return true
  const name = backup
    .prepare<[], string>('SELECT name FROM backups ORDER BY number DESC LIMIT 1')
    .pluck()
    .get()
  if (name === undefined) return true
  return database.prepare('SELECT 1 FROM backups WHERE name = ?').get(name) !== undefined
}
