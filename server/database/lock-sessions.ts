import type { LockSessionRecords } from '../locks/requests.js'
import type { Database } from './database.js'
import { unlessFull } from './room.js'

/** Which connections have locks; the locks themselves live in memory, and are claimed again after a restart. */
export function lockSessionTable(database: Database): LockSessionRecords {
  const all = database.prepare<[], { user: string; connection: string }>(
    'SELECT user, connection FROM lock_sessions',
  )
  const add = database.prepare('INSERT OR IGNORE INTO lock_sessions VALUES (?, ?)')
  const remove = database.prepare('DELETE FROM lock_sessions WHERE user = ? AND connection = ?')
  const leases = database.prepare<[], { user: string; connection: string; directory: number }>(
    'SELECT user, connection, directory FROM name_leases',
  )
  const lease = database.prepare('INSERT OR REPLACE INTO name_leases VALUES (?, ?, ?)')
  const unlease = database.prepare('DELETE FROM name_leases WHERE user = ? AND directory = ?')
  const unleaseAll = database.prepare('DELETE FROM name_leases WHERE user = ? AND connection = ?')
  return {
    all: () => all.all(),
    add(user, connection) {
      add.run(user, connection)
    },
    // Who is not forgotten for want of room is waited for after a restart, in vain and no longer than for others.
    remove(user, connection) {
      unlessFull(() => {
        remove.run(user, connection)
        unleaseAll.run(user, connection)
      })
    },
    leases: () => leases.all(),
    lease(user, connection, directory) {
      lease.run(user, directory, connection)
    },
    unlease(user, directory) {
      unlessFull(() => unlease.run(user, directory))
    },
  }
}
