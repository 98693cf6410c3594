/** JWK thumbprints (RFC 7638). */
import { createHash } from 'node:crypto'
import type { PublicJwk } from '../types.js'

/** In this order (RFC 7638 section 3.2). */
const MEMBERS: ReadonlyMap<unknown, readonly (keyof PublicJwk)[]> = new Map([
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['RSA', ['e', 'kty', 'n']],
  ['OKP', ['crv', 'kty', 'x']],
])

/** base64url SHA-256 thumbprint; undefined for a kind of key we do not know. */
export function thumbprint(jwk: PublicJwk): string | undefined {
  const members = MEMBERS.get(jwk.kty)
  if (members === undefined) return undefined
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])))
  return createHash('sha256').update(canonical).digest('base64url')
}
