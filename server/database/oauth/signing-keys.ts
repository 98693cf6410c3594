import type { SigningAlgorithm, Store, StoredKey } from '../../../oauth/index.js'
import type { Database } from '../database.js'

interface Row {
  readonly kid: string
  readonly alg: SigningAlgorithm
  readonly public_jwk: string
  readonly sealed: string
  readonly created_at: number
  readonly active_at: number
}

export type SigningKeyStore = Pick<Store, 'signingKeys' | 'replaceSigningKeys'>

export function signingKeyStore(database: Database): SigningKeyStore {
  const all = database.prepare<[], Row>('SELECT * FROM signing_keys ORDER BY active_at, kid')
  const clear = database.prepare('DELETE FROM signing_keys')
  const insert = database.prepare('INSERT INTO signing_keys VALUES (?, ?, ?, ?, ?, ?)')
  const replace = database.transaction((seen: readonly string[], keys: readonly StoredKey[]) => {
    const present = all.all().map(({ kid }) => kid)
    if (present.length !== seen.length || !present.every((kid) => seen.includes(kid))) return false
    clear.run()
    for (const { kid, alg, publicJwk, sealed, createdAt, activeAt } of keys) {
      insert.run(kid, alg, JSON.stringify(publicJwk), sealed, createdAt, activeAt)
    }
    return true
  })
  return {
    async signingKeys() {
      return all.all().map(({ kid, alg, public_jwk, sealed, created_at, active_at }) => ({
        kid,
        alg,
        publicJwk: JSON.parse(public_jwk),
        sealed,
        createdAt: created_at,
        activeAt: active_at,
      }))
    },
    async replaceSigningKeys(seen, keys) {
      return replace.immediate(seen, keys)
    },
  }
}
