/** What a client is held to by its registration, or by the FAPI 2.0 Security Profile when it is marked so. */
import type { Client } from './types.js'

/** Tokens only bound to a key (RFC 9449 section 5.2, FAPI 2.0 Security Profile section 5.3.2.1). */
export function mustProveKey(client: Client): boolean {
  return client.dpop_bound_access_tokens || client.fapi
}

/** Authorization requests only by PAR (RFC 9126 section 6, FAPI 2.0 Security Profile section 5.3.2.2). */
export function mustPush(client: Client): boolean {
  return client.require_pushed_authorization_requests || client.fapi
}

/** Bound to a key and to a client that authenticates, a refresh token needs no rotation; FAPI forbids it (5.3.2.1). */
export function rotatesRefreshTokens(client: Client): boolean {
  return !client.fapi
}
