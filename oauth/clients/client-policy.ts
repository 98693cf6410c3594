/** What a client is held to by its registration, or by the FAPI 2.0 Security Profile when it is marked so. */
import type { Client } from '../types.js'

/** Tokens only bound to a key (RFC 9449 section 5.2, FAPI 2.0 Security Profile section 5.3.2.1). */
export function mustProveKey(client: Client): boolean {
  return client.dpop_bound_access_tokens || client.fapi
}

/** Authorization requests only by PAR (RFC 9126 section 6, FAPI 2.0 Security Profile section 5.3.2.2). */
export function mustPush(client: Client): boolean {
  return client.require_pushed_authorization_requests || client.fapi
}

/** Which endpoint is meant is said with each request, also where one is registered (FAPI 2.0 Security Profile section 5.3.2.2). */
export function mustSendRedirect(client: Client): boolean {
  return client.fapi
}

/** FAPI 2.0 Security Profile section 5.4.1 */
const FAPI_ALGORITHMS: ReadonlySet<unknown> = new Set(['ES256', 'PS256'])

/** Whether JWTs that the client signs may be signed so. */
export function maySignWith(client: Client, alg: unknown): boolean {
  return !client.fapi || FAPI_ALGORITHMS.has(alg)
}

/** Bound to a key and to a client that authenticates, a refresh token needs no rotation; FAPI forbids it (5.3.2.1). */
export function rotatesRefreshTokens(client: Client): boolean {
  return !client.fapi
}

/** Registered by anybody, and no token was issued to it so far: it may be of no use to anybody (RFC 7591 section 5). */
export function isUnused({ registration_digest, usedAt }: Client): boolean {
  return registration_digest !== undefined && usedAt === undefined
}
