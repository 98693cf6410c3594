import type { Store } from '../../../oauth/index.js'
import type { Database } from '../database.js'
import { clientStore } from './clients.js'
import { codeStore } from './codes.js'
import { deviceStore } from './devices.js'
import { grantRows, grantStore } from './grants.js'
import { onceRows, onceStore } from './once.js'
import { refreshTokenRows, refreshTokenStore } from './refresh-tokens.js'
import { signingKeyStore } from './signing-keys.js'

/**
 * The authorization server's Store in SQLite. Every step is one statement or one immediate transaction, so of any number of
 * processes exactly one spends what is single use.
 */
export function oauthStore(database: Database): Store {
  const grants = grantRows(database)
  const tokens = refreshTokenRows(database)
  const once = onceRows(database)
  return {
    ...clientStore(database),
    ...signingKeyStore(database),
    ...grantStore(database, grants),
    ...codeStore(database, grants, tokens, once),
    ...refreshTokenStore(database, grants, tokens),
    ...deviceStore(database, grants, tokens),
    ...onceStore(database, once),
  }
}
