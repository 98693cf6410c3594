import type { Database } from './database.js'
import { unlessFull } from './full-disk.js'

/**
 * Connections that have locks, and directories they have leased, so that a server that starts again waits for them; and where those may
 * not write that lost theirs. They outlive the process.
 */
export interface LockSessionRecords {
  all(): { user: string; connection: string }[]
  add(user: string, connection: string): void
  /** With its leases. */
  remove(user: string, connection: string): void
  leases(): { user: string; connection: string; directory: number }[]
  lease(user: string, connection: string, directory: number): void
  unlease(user: string, directory: number): void
  fences(): { user: string; connection: string; ino: number }[]
  fence(user: string, connection: string, inodes: Iterable<number>): void
  /** With all its inodes. */
  unfence(user: string, connection: string): void
}

/** A client that has not come back by then does not. */
const KEPT_SECONDS = 30 * 24 * 60 * 60

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
  unlessFull(() =>
    database.exec(`DELETE FROM lock_fences WHERE at < unixepoch() - ${KEPT_SECONDS}`),
  )
  const fences = database.prepare<[], { user: string; connection: string; ino: number }>(
    'SELECT user, connection, ino FROM lock_fences ORDER BY at',
  )
  const fence = database.prepare(
    'INSERT OR REPLACE INTO lock_fences (user, connection, ino) VALUES (?, ?, ?)',
  )
  const unfence = database.prepare('DELETE FROM lock_fences WHERE user = ? AND connection = ?')
  const fenceAll = database.transaction(
    (user: string, connection: string, inodes: Iterable<number>) => {
      for (const ino of inodes) fence.run(user, connection, ino)
    },
  )
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
    fences: () => fences.all(),
    fence(user, connection, inodes) {
      unlessFull(() => fenceAll(user, connection, inodes))
    },
    unfence(user, connection) {
      unlessFull(() => unfence.run(user, connection))
    },
  }
}
