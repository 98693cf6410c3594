/** ID tokens (OpenID Connect Core section 2). */
import jwt from 'jsonwebtoken'
import { type Context, seconds } from '../context.js'
import { parseCompactJws } from '../jose/compact-jws.js'
import type { Client, Grant } from '../types.js'

const TYPE = 'JWT'

export interface IdTokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string
  readonly iat: number
  readonly exp: number
  readonly auth_time: number
  readonly nonce?: string
  readonly sid: string
}

/** `nonce` only in the first one: a refreshed ID token should have none (section 12.2). */
export async function createIdToken(
  context: Context,
  client: Client,
  grant: Grant,
  nonce: string | undefined,
): Promise<string> {
  const iat = seconds(context.now())
  const claims: IdTokenClaims = {
    iss: context.issuer,
    sub: grant.sub,
    aud: client.client_id,
    iat,
    exp: iat + context.lifetimes.idToken,
    auth_time: seconds(grant.authTime),
    ...(nonce !== undefined && { nonce }),
    sid: grant.sid,
  }
  return context.keys.sign(client.id_token_signed_response_alg, TYPE, claims)
}

/** What an ID token that comes back as a hint is worth. */
export type IdTokenHint =
  /** Ours, if perhaps expired. */
  | { readonly kind: 'proven'; readonly claims: IdTokenClaims }
  /** It says that it is ours, and no key is left to tell by. */
  | { readonly kind: 'unprovable' }
  | { readonly kind: 'foreign' }

/** OpenID Connect Core section 3.1.2.1, RP-Initiated Logout section 2 */
export async function verifyIdTokenHint(context: Context, token: string): Promise<IdTokenHint> {
  const jws = parseCompactJws(token)
  if (jws === undefined || jws.header.typ !== TYPE) return { kind: 'foreign' }
  const { kid } = jws.header
  if (typeof kid !== 'string' || jws.claims.iss !== context.issuer) return { kind: 'foreign' }
  const key = await context.keys.verificationKey(kid)
  if (key === undefined) return { kind: 'unprovable' }
  try {
    jwt.verify(token, key.key, {
      algorithms: [key.alg],
      issuer: context.issuer,
      ignoreExpiration: true,
    })
  } catch {
    return { kind: 'foreign' }
  }
  // We signed it, so it has the shape that createIdToken gives.
  return { kind: 'proven', claims: jws.claims as unknown as IdTokenClaims }
}
