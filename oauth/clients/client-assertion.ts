/** Client authentication by private_key_jwt (RFC 7523 sections 2.2 and 3, OpenID Connect Core section 9). */

import { type Context, seconds } from '../context.js'
import { OAuthError } from '../errors.js'
import { parseCompactJws } from '../jose/compact-jws.js'
import { importedKey, isSignedBy } from '../jose/foreign-jwt.js'
import { digestOf } from '../secrets.js'
import type { Client } from '../types.js'
import { maySignWith } from './client-policy.js'

export const CLIENT_ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const LIFETIME_MAX_SECONDS = 5 * 60
const LEEWAY_SECONDS = 10
const JTI_MAX = 256

function refuse(why: string): never {
  throw new OAuthError('invalid_client', `the client assertion ${why}`)
}

/** Who the assertion claims to be from; unverified, only good to look the client up. */
export function claimedClient(assertion: string): string {
  const { sub } = parseCompactJws(assertion)?.claims ?? refuse('is not a well-formed JWT')
  return typeof sub === 'string' ? sub : refuse('has no sub')
}

/** Throws unless `client` made the assertion, for us, just now, and never used it before. */
export async function verifyAssertion(
  context: Context,
  client: Client,
  assertion: string,
): Promise<void> {
  const jws = parseCompactJws(assertion) ?? refuse('is not a well-formed JWT')
  const { kid, alg } = jws.header
  if (!maySignWith(client, alg)) refuse('must be signed with ES256 or PS256')
  const keys = (client.jwks?.keys ?? []).filter(
    (key) => (kid === undefined || key.kid === kid) && (key.alg ?? alg) === alg,
  )
  if (!keys.some((key) => isSignedBy(jws, importedKey(key))))
    refuse('is not signed by a key of the client')

  const { iss, sub, aud, exp, nbf, iat, jti } = jws.claims
  const now = seconds(context.now())
  if (iss !== client.client_id || sub !== client.client_id)
    refuse('must have the client_id as iss and sub')
  // The issuer as a string and nothing else: any other audience lets another server replay it here.
  if (aud !== context.issuer) refuse(`must have ${context.issuer} as its only aud, a string`)
  if (typeof exp !== 'number' || exp <= now - LEEWAY_SECONDS) refuse('has expired, or has no exp')
  if (exp > now + LIFETIME_MAX_SECONDS + LEEWAY_SECONDS) refuse('lives longer than five minutes')
  if (isAhead(nbf, now) || isAhead(iat, now)) refuse('is not valid yet')
  if (typeof jti !== 'string' || jti === '' || jti.length > JTI_MAX) refuse('has no jti')
  const once = digestOf(`assertion ${client.client_id} ${jti}`)
  // `exp` may have a fraction (RFC 7519 section 2).
  const expiresAt = Math.ceil((exp + LEEWAY_SECONDS) * 1000)
  if (!(await context.store.useOnce(once, expiresAt))) {
    refuse('was used before; make a new one for every request')
  }
}

function isAhead(time: unknown, now: number): boolean {
  return time !== undefined && !(typeof time === 'number' && time <= now + LEEWAY_SECONDS)
}
