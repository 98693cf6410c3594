/** Clients that others wrote, unmodified, against the server under test. */
import { expect } from 'chai'
import { createLocalJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import { WEB_URI } from './support/clients.js'
import { json } from './support/http.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { trusting } from './support/trusting.js'

async function discovered(suite: Suite) {
  const options = { [oauth.customFetch]: trusting(suite.target.ca) as never }
  const issuer = new URL(suite.target.issuer)
  const as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, options),
  )
  return { as, options }
}

describe('oauth4webapi', () => {
  row(
    'interop-oauth4webapi-1',
    'B',
    'finds the server from the resource alone, and uses all of it',
    async (suite) => {
      const options = { [oauth.customFetch]: trusting(suite.target.ca) as never }
      const { url } = await trusting(suite.target.ca)(suite.target.resourceUrl).then((answer) => ({
        url:
          /resource_metadata="([^"]+)"/.exec(answer.headers.get('www-authenticate') ?? '')?.[1] ??
          '',
      }))
      const resource = new URL(url.replace('/.well-known/oauth-protected-resource', ''))
      const found = await oauth.processResourceDiscoveryResponse(
        resource,
        await oauth.resourceDiscoveryRequest(resource, options),
      )
      const issuer = new URL(found.authorization_servers?.[0] ?? '')
      const as = await oauth.processDiscoveryResponse(
        issuer,
        await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' }),
      )

      const { client_id, client_secret = '' } = suite.client('web')
      const client: oauth.Client = { client_id }
      const auth = oauth.ClientSecretBasic(client_secret)
      const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
      const code_verifier = oauth.generateRandomCodeVerifier()
      const parameters = new URLSearchParams({
        response_type: 'code',
        client_id,
        redirect_uri: WEB_URI,
        scope: 'openid file.read',
        state: 's',
        prompt: 'consent',
        code_challenge: await oauth.calculatePKCECodeChallenge(code_verifier),
        code_challenge_method: 'S256',
      })
      const again = async <T>(work: () => Promise<T>): Promise<T> =>
        work().catch((error) => (oauth.isDPoPNonceError(error) ? work() : Promise.reject(error)))
      const { request_uri } = await again(async () =>
        oauth.processPushedAuthorizationResponse(
          as,
          client,
          await oauth.pushedAuthorizationRequest(as, client, auth, parameters, {
            ...options,
            DPoP,
          }),
        ),
      )
      const authorize = new URL(as.authorization_endpoint ?? '')
      authorize.search = new URLSearchParams({ client_id, request_uri }).toString()
      const answer = oauth.validateAuthResponse(as, client, await suite.visit(authorize), 's')
      const tokens = await again(async () =>
        oauth.processAuthorizationCodeResponse(
          as,
          client,
          await oauth.authorizationCodeGrantRequest(
            as,
            client,
            auth,
            answer,
            WEB_URI,
            code_verifier,
            { ...options, DPoP },
          ),
        ),
      )
      expect(tokens.token_type).to.equal('dpop')
      const userinfo = await again(async () =>
        oauth.processUserInfoResponse(
          as,
          client,
          oauth.getValidatedIdTokenClaims(tokens)?.sub ?? '',
          await oauth.userInfoRequest(as, client, tokens.access_token, { ...options, DPoP }),
        ),
      )
      expect(userinfo.sub).to.be.a('string')
      const introspected = await oauth.processIntrospectionResponse(
        as,
        client,
        await oauth.introspectionRequest(as, client, auth, tokens.access_token, options),
      )
      expect(introspected.active).to.equal(true)
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(as, client, auth, tokens.access_token, options),
      )
      const after = await oauth.processIntrospectionResponse(
        as,
        client,
        await oauth.introspectionRequest(as, client, auth, tokens.access_token, options),
      )
      expect(after.active).to.equal(false)
    },
    { clients: ['web'] },
  )

  row(
    'interop-oauth4webapi-2',
    'B',
    'verifies our access tokens as a resource server',
    async (suite) => {
      const { as, options } = await discovered(suite)
      const { access_token } = await suite.tokens()
      const seen = new Request(suite.target.resourceUrl, {
        headers: { authorization: `Bearer ${access_token}` },
      })
      const audience = suite.target.resourceUrl.replace(/\/$/, '')
      const claims = await oauth.validateJwtAccessToken(as, seen, audience, options)
      expect(claims.client_id).to.equal(suite.client('fuse').client_id)
    },
  )

  row('interop-oauth4webapi-3', 'B', 'polls for a device, and refreshes', async (suite) => {
    const { as, options } = await discovered(suite)
    const client: oauth.Client = { client_id: suite.client('fuse').client_id }
    const auth = oauth.None()
    const scope = new URLSearchParams({ scope: 'file.read offline_access' })
    const device = await oauth.processDeviceAuthorizationResponse(
      as,
      client,
      await oauth.deviceAuthorizationRequest(as, client, auth, scope, options),
    )
    await suite.allowDevice(device.verification_uri_complete ?? '')
    const tokens = await oauth.processDeviceCodeResponse(
      as,
      client,
      await oauth.deviceCodeGrantRequest(as, client, auth, device.device_code, options),
    )
    const refreshed = await oauth.processRefreshTokenResponse(
      as,
      client,
      await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token ?? '', options),
    )
    expect((await suite.read(refreshed.access_token)).status).to.equal(200)
  })
})

describe('jose', () => {
  row(
    'interop-jose-1',
    'B',
    'verifies our access tokens from the JWKS, ES256 and RS256',
    async (suite) => {
      const jwks = json(await suite.http.get(String((await suite.metadata()).jwks_uri)))
      const keys = createLocalJWKSet(jwks as never)
      for (const name of ['fuse', 'rs256'] as const) {
        const { client_id } = suite.client(name)
        const { access_token } = await suite.tokens({ client_id })
        const { payload } = await jwtVerify(access_token, keys, {
          issuer: suite.target.issuer,
          typ: 'at+jwt',
          requiredClaims: ['exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
        })
        expect(payload.client_id).to.equal(client_id)
      }
    },
    { clients: ['fuse', 'rs256'] },
  )
})
