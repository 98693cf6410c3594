import type { Milliseconds } from '../../../oauth/index.js'
import type { Database } from '../database.js'

/** A session of a browser, and whose it is. */
export interface SessionOf {
  readonly id: string
  readonly userId: string
}

/** What becomes of the grants that were given in a session of a browser, inside the transactions of others. */
export interface SessionGrants {
  /** Those whose scope lacks offline_access end with the session. How many. */
  revoke(sid: string, at: Milliseconds): number
  /**
   * The browser goes on under another session: what its user gave before ends with that one, and what somebody else did, who is signed
   * in there no longer, ends now. How many ended.
   */
  handOver(former: string, to: SessionOf, at: Milliseconds): number
}

export function sessionGrants(database: Database): SessionGrants {
  const revoke = database.prepare(
    `UPDATE grants SET revoked_at = ? WHERE sid = ? AND revoked_at IS NULL
     AND ' ' || scope || ' ' NOT LIKE '% offline_access %'`,
  )
  const move = database.prepare('UPDATE grants SET sid = ? WHERE sid = ? AND sub = ?')
  return {
    revoke: (sid, at) => revoke.run(at, sid).changes,
    handOver(former, { id, userId }, at) {
      move.run(id, former, userId)
      return revoke.run(at, former).changes
    },
  }
}
