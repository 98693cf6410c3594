import type { LockSessionRecords } from '../locks/requests.js'
import type { Database } from './database.js'

/** Which connections have locks; the locks themselves live in memory, and are claimed again after a restart. */
export function lockSessionTable(database: Database): LockSessionRecords {
  const all = database.prepare<[], { user: string; connection: string }>(
    'SELECT user, connection FROM lock_sessions',
  )
  const add = database.prepare('INSERT OR IGNORE INTO lock_sessions VALUES (?, ?)')
  const remove = database.prepare('DELETE FROM lock_sessions WHERE user = ? AND connection = ?')
  return {
    all: () => all.all(),
    add(user, connection) {
      add.run(user, connection)
    },
    remove(user, connection) {
      remove.run(user, connection)
    },
  }
}
