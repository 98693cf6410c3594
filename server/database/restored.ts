import type { Database } from './database.js'

/**
 * Tables of what lets somebody in. Signing keys too: an access token that was revoked after the backup was made is
 * signed by a key that no longer exists.
 */
const AUTHORIZATIONS = [
  'signing_keys',
  'grants',
  'codes',
  'refresh_tokens',
  'devices',
  'pushed_requests',
  'sessions',
] as const

/** After a restore nobody is logged in: what was revoked since the backup stays so. Within a transaction. */
export function forgetAuthorizations(database: Database): void {
  for (const table of AUTHORIZATIONS) database.exec(`DELETE FROM ${table}`)
}
