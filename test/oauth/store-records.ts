/** Records that tests of a Store write. */
import type { Client, DeviceAuthorization, Grant, Redemption, Rotation } from '../../oauth/index.js'
import { digestOf, randomId } from '../../oauth/secrets.js'
import { newRefreshToken, refreshTokenDigest } from '../../oauth/tokens/stamped-token.js'

export const NOW = Date.UTC(2026, 0, 1)
export const MINUTE = 60_000

export const client: Client = {
  client_id: 'c',
  client_name: 'A client',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/cb'],
  post_logout_redirect_uris: [],
  grant_types: ['authorization_code'],
  scope: 'a b',
  id_token_signed_response_alg: 'ES256',
  access_token_signed_response_alg: 'ES256',
  dpop_bound_access_tokens: false,
  require_pushed_authorization_requests: false,
  fapi: false,
  introspects: false,
  createdAt: NOW,
}

export function newGrant(changes: Partial<Grant> = {}): Grant {
  return {
    grantId: randomId(),
    client_id: 'c',
    sub: 'u',
    scope: 'a b',
    resource: ['https://as.test/files'],
    authTime: NOW,
    sid: 's',
    createdAt: NOW,
    expiresAt: NOW + 1000 * MINUTE,
    lastUsedAt: NOW,
    lastUsedFrom: '',
    deviceName: 'a laptop',
    ...changes,
  }
}

export const device: DeviceAuthorization = {
  deviceName: 'a television',
  deviceDigest: digestOf('device'),
  userCodeDigest: digestOf('WDJBMJHT'),
  client_id: 'c',
  scope: 'a',
  resource: ['https://as.test/files'],
  address: '127.0.0.1',
  interval: 5000,
  createdAt: NOW,
  expiresAt: NOW + 10 * MINUTE,
}

export function newToken(at = NOW) {
  return { tokenDigest: refreshTokenDigest(newRefreshToken(at)), expiresAt: at + 100 * MINUTE }
}

export function redemption(at = NOW): Redemption {
  return { at, address: '127.0.0.1', refreshToken: newToken(), endsAt: NOW + 100 * MINUTE }
}

export function rotation(changes: Partial<Rotation> = {}): Rotation {
  return {
    at: NOW,
    address: '127.0.0.1',
    presentedKey: undefined,
    graceMilliseconds: 30_000,
    successor: newToken(),
    successorAt: () => digestOf('none'),
    ...changes,
  }
}
