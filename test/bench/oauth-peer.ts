// npm's oidc-provider with its store in memory, over TLS: what Coffer's authorization server is measured against.
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import { makeAuthority, makeServerCertificate } from '../../server/tls/authority.js'
import { certificateNames } from '../../server/tls/names.js'

const [, , client_secret = '', sessions = '1'] = process.argv
const now = new Date()
const authority = await makeAuthority('the peer', now)
const { certificate, key } = await makeServerCertificate(authority, certificateNames(), now)
const server = createServer({ cert: certificate, key })
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `https://localhost:${(server.address() as AddressInfo).port}`
const resource = `${issuer}/files`

const { privateKey } = await generateKeyPair('ES256', { extractable: true })
/** The same kind of token as Coffer's: a JWT, ES256; opaque ones for introspection, which takes no others. */
const formats = { service: 'jwt', native: 'jwt', opaque: 'opaque' } as const
const provider = new Provider(issuer, {
  clients: [
    ...(['service', 'opaque'] as const).map((client_id) => ({
      client_id,
      client_secret,
      id_token_signed_response_alg: 'ES256',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    })),
    {
      client_id: 'native',
      id_token_signed_response_alg: 'ES256',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1/callback'],
    },
  ],
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'bench' }] },
  scopes: ['openid', 'offline_access', 'file.read'],
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  findAccount: (_: unknown, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (
        _: unknown,
        __: unknown,
        client: { clientId: keyof typeof formats },
      ) => ({
        scope: 'file.read',
        audience: resource,
        accessTokenFormat: formats[client.clientId],
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})
server.on('request', provider.callback())

const client = await provider.Client.find('native')
async function refreshToken(): Promise<string> {
  const grant = new provider.Grant({ accountId: 'somebody', clientId: 'native' })
  grant.addOIDCScope('offline_access')
  grant.addResourceScope(resource, 'file.read')
  const grantId = await grant.save()
  const token = new provider.RefreshToken({
    ...{ accountId: 'somebody', client, grantId, gty: 'authorization_code', resource },
    ...{ scope: 'offline_access file.read', authTime: Math.floor(Date.now() / 1000) },
  })
  return token.save()
}
const refresh_tokens = await Promise.all(Array.from({ length: Number(sessions) }, refreshToken))
process.stdout.write(
  `ready ${JSON.stringify({ issuer, ca: authority.certificate, refresh_tokens })}\n`,
)
