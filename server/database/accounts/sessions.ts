import type { Database } from '../database.js'
import { withRoom } from '../full-disk.js'
import { groupCommitOf } from '../group-commit.js'
import { sessionGrants } from '../oauth/session-grants.js'

/** A browser in which somebody is signed in. The cookie's secret is not in here, only its digest. */
export interface StoredSession {
  /** SHA-256 of what the cookie carries, base64url. */
  readonly id: string
  readonly userId: string
  readonly authTime: number
  readonly lastUsedAt: number
  readonly expiresAt: number
  readonly address: string
  readonly userAgent: string
}

interface Row {
  id: string
  user_id: string
  auth_time: number
  last_used_at: number
  expires_at: number
  address: string
  user_agent: string
}

export interface SessionTable {
  get(id: string, now: number): StoredSession | undefined
  /** The living ones of a user, latest use first. */
  ofUser(userId: string, now: number): StoredSession[]
  /**
   * Ends `replaces` and begins the new one, in one step, to which the grants of the same user go over. How many ended, of somebody
   * else: those survive no loss of power either.
   */
  begin(session: StoredSession, replaces: string | undefined): Promise<number>
  touch(id: string, lastUsedAt: number, address: string): void
  /** Survives loss of power. */
  end(id: string): Promise<void>
  endAllOf(userId: string): void
  endOthersOf(userId: string, kept: string): void
  /** Removes at most `limit` expired ones; how many it removed. */
  sweep(now: number, limit: number): number
}

export function sessionTable(database: Database): SessionTable {
  const get = database.prepare<[string, number], Row>(
    'SELECT * FROM sessions WHERE id = ? AND expires_at > ?',
  )
  const ofUser = database.prepare<[string, number], Row>(
    'SELECT * FROM sessions WHERE user_id = ? AND expires_at > ? ORDER BY last_used_at DESC LIMIT 100',
  )
  const insert = database.prepare(
    'INSERT INTO sessions VALUES (@id, @userId, @authTime, @lastUsedAt, @expiresAt, @address, @userAgent)',
  )
  const touch = database.prepare('UPDATE sessions SET last_used_at = ?, address = ? WHERE id = ?')
  const end = database.prepare('DELETE FROM sessions WHERE id = ?')
  const endAllOf = database.prepare('DELETE FROM sessions WHERE user_id = ?')
  const endOthersOf = database.prepare('DELETE FROM sessions WHERE user_id = ? AND id <> ?')
  const sweep = database.prepare(
    'DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ? LIMIT ?)',
  )
  const grants = sessionGrants(database)
  const begin = database.transaction((session: StoredSession, replaces: string | undefined) => {
    insert.run(session)
    if (replaces === undefined) return 0
    end.run(replaces)
    return grants.handOver(replaces, session, session.lastUsedAt)
  })

  return {
    get(id, now) {
      const row = get.get(id, now)
      return row === undefined ? undefined : session(row)
    },
    ofUser: (userId, now) => ofUser.all(userId, now).map(session),
    async begin(made, replaces) {
      const ended = withRoom(database, () => begin.immediate(made, replaces))
      if (ended > 0) await groupCommitOf(database).synced()
      return ended
    },
    touch(id, lastUsedAt, address) {
      withRoom(database, () => touch.run(lastUsedAt, address, id))
    },
    async end(id) {
      withRoom(database, () => end.run(id))
      await groupCommitOf(database).synced()
    },
    endAllOf(userId) {
      withRoom(database, () => endAllOf.run(userId))
    },
    endOthersOf(userId, kept) {
      withRoom(database, () => endOthersOf.run(userId, kept))
    },
    sweep: (now, limit) => sweep.run(now, limit).changes,
  }
}

function session(row: Row): StoredSession {
  return {
    id: row.id,
    userId: row.user_id,
    authTime: row.auth_time,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
    address: row.address,
    userAgent: row.user_agent,
  }
}
