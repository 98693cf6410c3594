/** JWT access tokens (RFC 9068). */
import jwt from 'jsonwebtoken'
import { type Context, seconds } from '../context.js'
import { parseCompactJws } from '../jose/compact-jws.js'
import { randomId } from '../secrets.js'
import type { Client } from '../types.js'

const TYPE = 'at+jwt'

/** RFC 9068 section 2.2; `grant_id` is ours and names the grant whose end is the token's end. */
export interface AccessTokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string | readonly string[]
  readonly client_id: string
  readonly scope?: string
  readonly iat: number
  readonly exp: number
  readonly jti: string
  readonly grant_id?: string
  readonly auth_time?: number
  readonly cnf?: { readonly jkt: string }
}

/** JSON leaves out what is undefined, at a fraction of what it costs to put together an object without it. */
type Members<T> = { readonly [K in keyof T]: T[K] | undefined }

export interface AccessTokenContent {
  readonly client: Client
  readonly sub: string
  readonly scope: string
  readonly resource: readonly string[]
  readonly grantId?: string
  readonly authTime?: number
  /** RFC 9449 section 6.1 */
  readonly jkt?: string | undefined
}

export function createAccessToken(context: Context, content: AccessTokenContent): Promise<string> {
  const iat = seconds(context.now())
  const { client, sub, scope, resource, grantId, authTime, jkt } = content
  const [only, ...others] = resource
  const claims: Members<AccessTokenClaims> = {
    iss: context.issuer,
    sub,
    aud: others.length === 0 && only !== undefined ? only : resource,
    client_id: client.client_id,
    scope,
    iat,
    exp: iat + context.lifetimes.accessToken,
    jti: randomId(),
    grant_id: grantId,
    auth_time: authTime === undefined ? undefined : seconds(authTime),
    cnf: jkt === undefined ? undefined : { jkt },
  }
  return context.keys.sign(client.access_token_signed_response_alg, TYPE, claims)
}

/**
 * RFC 9068 section 4: typ, signature by one of our keys with that key's algorithm, iss, exp. Keys come from nowhere but
 * our own store: jku, jwk and x5u are not looked at. The audience is the caller's to check.
 */
export async function verifyAccessToken(
  context: Context,
  token: string,
): Promise<AccessTokenClaims | undefined> {
  const jws = parseCompactJws(token)
  if (jws === undefined || !isAccessTokenType(jws.header.typ)) return undefined
  const { kid } = jws.header
  const key = typeof kid === 'string' ? await context.keys.verificationKey(kid) : undefined
  if (key === undefined) return undefined
  try {
    jwt.verify(token, key.key, {
      algorithms: [key.alg],
      issuer: context.issuer,
      clockTimestamp: seconds(context.now()),
    })
  } catch {
    return undefined
  }
  // We signed it, so it has the shape that createAccessToken gives.
  return jws.claims as unknown as AccessTokenClaims
}

/** "at+jwt" or "application/at+jwt", as media types compare (RFC 7515 section 4.1.9). */
function isAccessTokenType(typ: unknown): boolean {
  return typeof typ === 'string' && typ.toLowerCase().replace(/^application\//, '') === TYPE
}

export function audienceOf(claims: AccessTokenClaims): readonly string[] {
  return typeof claims.aud === 'string' ? [claims.aud] : claims.aud
}
