/** ID tokens (OpenID Connect Core section 2). */
import jwt from 'jsonwebtoken'
import { parseCompactJws } from './compact-jws.js'
import { type Context, seconds } from './context.js'
import type { Client, Grant } from './types.js'

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

/** An ID token that comes back as a hint: ours, if perhaps expired (section 3.1.2.1, RP-Initiated Logout section 2). */
export async function verifyIdTokenHint(
  context: Context,
  token: string,
): Promise<IdTokenClaims | undefined> {
  const jws = parseCompactJws(token)
  if (jws === undefined || jws.header.typ !== TYPE) return undefined
  const { kid } = jws.header
  const key = typeof kid === 'string' ? await context.keys.verificationKey(kid) : undefined
  if (key === undefined) return undefined
  try {
    jwt.verify(token, key.key, {
      algorithms: [key.alg],
      issuer: context.issuer,
      ignoreExpiration: true,
    })
  } catch {
    return undefined
  }
  // We signed it, so it has the shape that createIdToken gives.
  return jws.claims as unknown as IdTokenClaims
}
