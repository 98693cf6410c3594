/**
 * npm's oidc-provider (memory store) with the clients of the suite, to try the suite on a server that is not ours:
 *
 *   node --import tsx test/conformance/peer.ts DIRECTORY PORT
 *
 * It writes what the suite must be told into DIRECTORY, and prints the variables to run it with.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import { makeAuthority, makeServerCertificate } from '../../server/tls/authority.js'
import { certificateNames } from '../../server/tls/names.js'
import { assertionKey, CLIENTS } from './support/clients.js'

const [, , directory = 'peer', port = '21443'] = process.argv
const issuer = `https://localhost:${port}`
const resource = `${issuer}/files`

async function signingKey(alg: 'ES256' | 'RS256') {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg }
}

/** Metadata as oidc-provider takes it, and what the suite is told of the client. */
async function clientOf(name: string, metadata: (typeof CLIENTS)[keyof typeof CLIENTS]) {
  const {
    fapi: _,
    introspects: __,
    access_token_signed_response_alg: ___,
    ...rest
  } = {
    fapi: false,
    introspects: false,
    access_token_signed_response_alg: '',
    ...metadata,
  }
  const method = metadata.token_endpoint_auth_method
  const key = method === 'private_key_jwt' ? await assertionKey() : undefined
  const client_secret = method.startsWith('client_secret')
    ? randomBytes(32).toString('base64url')
    : undefined
  const told = {
    client_id: name,
    ...(client_secret !== undefined && { client_secret }),
    ...(key !== undefined && { key: await exportPKCS8(key.privateKey) }),
  }
  const grant_types: readonly string[] = metadata.grant_types
  const response_types = grant_types.includes('authorization_code') ? ['code'] : []
  const given = { id_token_signed_response_alg: 'ES256', ...rest, client_id: name, response_types }
  return {
    told,
    given: { ...given, ...(client_secret && { client_secret }), ...(key && { jwks: key.jwks }) },
  }
}

const clients = await Promise.all(
  Object.entries(CLIENTS).map(async ([name, metadata]) => ({
    name,
    ...(await clientOf(name, metadata)),
  })),
)
const provider = new Provider(issuer, {
  clients: clients.map(({ given }) => given),
  jwks: { keys: [await signingKey('ES256'), await signingKey('RS256')] },
  scopes: ['openid', 'offline_access', 'file.read', 'file.write'],
  claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'] },
  pkce: { required: () => true },
  ttl: { AuthorizationCode: 60, PushedAuthorizationRequest: 60, AccessToken: 900 },
  clientBasedCORS: () => true,
  issueRefreshToken: async (_: unknown, client: { grantTypeAllowed(type: string): boolean }) =>
    client.grantTypeAllowed('refresh_token'),
  findAccount: (_: unknown, sub: string) => ({
    accountId: sub,
    claims: () => ({ sub, preferred_username: sub, email: `${sub}@example.test` }),
  }),
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 9), requireNonce: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'file.read file.write',
        audience: resource,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})

const now = new Date()
const authority = await makeAuthority('the peer', now)
const { certificate, key } = await makeServerCertificate(authority, certificateNames(), now)
await mkdir(directory, { recursive: true, mode: 0o700 })
await writeFile(join(directory, 'ca.pem'), authority.certificate)
const told = Object.fromEntries(clients.map(({ name, told }) => [name, told]))
await writeFile(join(directory, 'clients.json'), JSON.stringify(told), { mode: 0o600 })
createServer({ cert: certificate, key }, provider.callback()).listen(Number(port), () => {
  process.stdout.write(`COFFER_CONFORMANCE_URL=${issuer} \\
COFFER_CONFORMANCE_CA=${join(directory, 'ca.pem')} \\
COFFER_CONFORMANCE_CLIENTS=${join(directory, 'clients.json')} \\
COFFER_CONFORMANCE_USER=admin COFFER_CONFORMANCE_PASSWORD=x
`)
})
