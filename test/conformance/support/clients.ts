import { type CryptoKey, exportJWK, generateKeyPair } from 'jose'

/** Clients that the suite needs, as metadata of RFC 7591; a target elsewhere must have the same. */
const SCOPE = 'openid profile email offline_access file.read file.write'
export const LOOPBACK = 'http://127.0.0.1:49152/cb'
export const WEB_URI = 'https://rp.test/cb?x=1'
/** openid-client leaves the query of a redirect_uri out, so it gets one without. */
export const PLAIN_URI = 'https://rp.test/cb'
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

const USER_GRANTS = ['authorization_code', 'refresh_token']
const native = {
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/cb'],
  grant_types: [...USER_GRANTS, DEVICE_GRANT],
  scope: SCOPE,
}
const web = {
  application_type: 'web',
  token_endpoint_auth_method: 'client_secret_basic',
  redirect_uris: [WEB_URI],
  post_logout_redirect_uris: ['https://rp.test/out'],
  grant_types: USER_GRANTS,
  scope: SCOPE,
}

export const CLIENTS = {
  fuse: { ...native, client_name: 'Conformance native' },
  fuse6: { ...native, client_name: 'Conformance IPv6', redirect_uris: ['http://[::1]/cb'] },
  bare: { ...native, client_name: 'Conformance path-less', redirect_uris: ['http://127.0.0.1'] },
  several: {
    ...native,
    client_name: 'Conformance several',
    redirect_uris: ['http://127.0.0.1/cb', 'https://app.example/cb', 'com.example.app:/cb'],
    post_logout_redirect_uris: ['http://127.0.0.1/out'],
  },
  rs256: {
    ...native,
    client_name: 'Conformance RS256',
    id_token_signed_response_alg: 'RS256',
    access_token_signed_response_alg: 'RS256',
  },
  bound: { ...native, client_name: 'Conformance DPoP', dpop_bound_access_tokens: true },
  web: { ...web, client_name: 'Conformance web' },
  post: {
    ...web,
    client_name: 'Conformance post',
    redirect_uris: [PLAIN_URI],
    token_endpoint_auth_method: 'client_secret_post',
  },
  pushed: { ...web, client_name: 'Conformance PAR', require_pushed_authorization_requests: true },
  service: {
    ...web,
    client_name: 'Conformance service',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    scope: 'file.read file.write',
  },
  server: {
    ...web,
    client_name: 'Conformance resource server',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    scope: 'file.read',
    introspects: true,
  },
  keyed: {
    ...web,
    client_name: 'Conformance key',
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: [...USER_GRANTS, 'client_credentials'],
  },
  fapi: {
    ...web,
    client_name: 'Conformance FAPI',
    token_endpoint_auth_method: 'private_key_jwt',
    fapi: true,
  },
} as const
export type ClientName = keyof typeof CLIENTS

export interface TestClient {
  readonly client_id: string
  readonly client_secret?: string
  /** Of private_key_jwt clients. */
  readonly key?: CryptoKey
}

/** A key pair for private_key_jwt: the public half goes into the metadata. */
export async function assertionKey() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'conformance', alg: 'ES256', use: 'sig' }
  return { privateKey, jwks: { keys: [jwk] } }
}
