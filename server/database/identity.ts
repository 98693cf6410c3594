import { randomBytes } from 'node:crypto'
import type { Database } from './database.js'
import { settings } from './settings.js'

/** Tells this data directory from all others; one that was restored goes on with it. Made when it is first asked for. */
export function identityOf(database: Database): string {
  const known = knownIdentityOf(database)
  if (known !== undefined) return known
  const made = database.transaction(() => {
    const identity = knownIdentityOf(database) ?? randomBytes(16).toString('base64url')
    settings(database).set('identity', identity)
    return identity
  })
  return made.immediate()
}

/** That of a database that is only read; none where it never was asked for. */
export function knownIdentityOf(database: Database): string | undefined {
  return settings(database).get('identity')
}
