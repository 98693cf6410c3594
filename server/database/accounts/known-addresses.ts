import type { Database } from '../database.js'

/** Whether somebody was let in from there who still is: in a browser, or with a grant, as its use was last written down. */
export function knownAddresses(
  database: Database,
): (username: string, address: string, now: number) => boolean {
  const isKnown = database
    .prepare<{ username: string; address: string; now: number }, number>(
      `SELECT 1 FROM users WHERE username = @username AND (
         EXISTS (SELECT 1 FROM sessions
           WHERE user_id = users.id AND address = @address AND expires_at > @now)
         OR EXISTS (SELECT 1 FROM grants
           WHERE sub = users.id AND last_used_from = @address AND revoked_at IS NULL
             AND min(expires_at, kept_until) > @now))`,
    )
    .pluck()
  return (username, address, now) => isKnown.get({ username, address, now }) === 1
}
