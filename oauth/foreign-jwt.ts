/** JWTs that clients sign: DPoP proofs (RFC 9449) and client assertions (RFC 7523). */
import { createPublicKey } from 'node:crypto'
import jwt from 'jsonwebtoken'
import type { CompactJws } from './compact-jws.js'
import type { PublicJwk } from './types.js'

/** Asymmetric, registered and sound; "none" and HMAC can never be in it (RFC 8725 section 3.1). */
export const FOREIGN_ALGORITHMS = ['ES256', 'ES384', 'PS256', 'RS256'] as const
export type ForeignAlgorithm = (typeof FOREIGN_ALGORITHMS)[number]

export function isForeignAlgorithm(alg: unknown): alg is ForeignAlgorithm {
  return FOREIGN_ALGORITHMS.some((known) => known === alg)
}

/** True when `jwk` made the signature with the algorithm that the header names. Claims are the caller's to check. */
export function isSignedBy(jws: CompactJws, jwk: PublicJwk): boolean {
  const { alg } = jws.header
  if (!isForeignAlgorithm(alg)) return false
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    jwt.verify(jws.token, key, {
      algorithms: [alg],
      ignoreExpiration: true,
      ignoreNotBefore: true,
    })
    return true
  } catch {
    return false
  }
}
