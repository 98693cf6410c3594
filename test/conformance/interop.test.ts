/** Clients that others wrote, unmodified, against the server under test. */
import { Agent, type RequestOptions, request } from 'node:https'
import { expect } from 'chai'
import { createLocalJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { DEVICE_GRANT, LOOPBACK, PLAIN_URI, WEB_URI } from './support/clients.js'
import { formsOf, json } from './support/http.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'

/** fetch(1) has no way to be told a certificate authority, so its requests are sent by node:https. */
function trusting(ca: string | undefined) {
  const agent = new Agent({ ...(ca !== undefined && { ca }) })
  return async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const asked = new Request(input, init)
    const body = Buffer.from(await asked.arrayBuffer())
    const options: RequestOptions = {
      agent,
      method: asked.method,
      headers: { ...Object.fromEntries(asked.headers), 'content-length': body.length },
    }
    return new Promise((resolve, reject) => {
      const sent = request(asked.url, options, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.once('error', reject)
        answer.once('end', () => {
          const headers = new Headers()
          for (const [name, values] of Object.entries(answer.headersDistinct)) {
            for (const value of values ?? []) headers.append(name, value)
          }
          const status = answer.statusCode ?? 0
          const content = status === 204 || status === 304 ? null : Buffer.concat(chunks)
          const response = new Response(content, { status, headers })
          Object.defineProperty(response, 'url', { value: asked.url })
          resolve(response)
        })
      })
      sent.once('error', reject)
      sent.end(body)
    })
  }
}

/** What a person does with an authorization URL, up to the redirect. */
async function visit(suite: Suite, url: URL): Promise<URL> {
  const browser = await suite.signedIn()
  return suite.decide(browser, await browser.follow(await browser.get(url)))
}

async function configuration(suite: Suite, name: 'fuse' | 'post'): Promise<openid.Configuration> {
  const { client_id, client_secret } = suite.client(name)
  const fetch = trusting(suite.target.ca)
  const authentication =
    client_secret === undefined ? openid.None() : openid.ClientSecretPost(client_secret)
  return openid.discovery(new URL(suite.target.issuer), client_id, undefined, authentication, {
    [openid.customFetch]: fetch as never,
  })
}

describe('openid-client', () => {
  row(
    'interop-openid-client-1',
    'B',
    'gets, checks, refreshes and revokes tokens with PKCE, nonce and DPoP',
    async (suite) => {
      const config = await configuration(suite, 'fuse')
      const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair())
      const pkceCodeVerifier = openid.randomPKCECodeVerifier()
      const [expectedNonce, expectedState] = [openid.randomNonce(), openid.randomState()]
      const url = openid.buildAuthorizationUrl(config, {
        redirect_uri: LOOPBACK,
        scope: 'openid profile file.read offline_access',
        code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
        nonce: expectedNonce,
        state: expectedState,
      })
      const back = await visit(suite, url)
      const tokens = await openid.authorizationCodeGrant(
        config,
        back,
        { pkceCodeVerifier, expectedNonce, expectedState },
        undefined,
        { DPoP },
      )
      const { sub = '' } = tokens.claims() ?? {}
      const info = await openid.fetchUserInfo(config, tokens.access_token, sub, { DPoP })
      expect(info.preferred_username).to.equal(suite.target.users[0].username)
      const read = await openid.fetchProtectedResource(
        config,
        tokens.access_token,
        new URL(suite.target.resourceUrl),
        'GET',
        undefined,
        undefined,
        { DPoP },
      )
      expect(read.status).to.equal(200)
      const refreshed = await openid.refreshTokenGrant(
        config,
        tokens.refresh_token ?? '',
        undefined,
        { DPoP },
      )
      expect(refreshed.claims()?.sub).to.equal(sub)
      await openid.tokenRevocation(config, refreshed.refresh_token ?? '')
      const dead = await openid
        .refreshTokenGrant(config, refreshed.refresh_token ?? '', undefined, { DPoP })
        .catch((error) => error)
      expect(dead.error).to.equal('invalid_grant')
    },
  )

  row(
    'interop-openid-client-2',
    'B',
    'pushes its request and logs out',
    async (suite) => {
      const config = await configuration(suite, 'post')
      const pkceCodeVerifier = openid.randomPKCECodeVerifier()
      const url = await openid.buildAuthorizationUrlWithPAR(config, {
        redirect_uri: PLAIN_URI,
        scope: 'openid file.read',
        prompt: 'consent',
        code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
      })
      expect([...url.searchParams.keys()].sort()).to.deep.equal(['client_id', 'request_uri'])
      const back = await visit(suite, url)
      const tokens = await openid.authorizationCodeGrant(config, back, {
        pkceCodeVerifier,
        idTokenExpected: true,
      })
      const end = openid.buildEndSessionUrl(config, {
        post_logout_redirect_uri: 'https://rp.test/out',
        id_token_hint: tokens.id_token ?? '',
        state: 'bye',
      })
      const answer = await (await suite.login()).get(end)
      expect(answer.headers.location).to.equal('https://rp.test/out?state=bye')
    },
    { clients: ['post'] },
  )

  row('interop-openid-client-3', 'B', 'polls for a device', async (suite) => {
    const config = await configuration(suite, 'fuse')
    const device = await openid.initiateDeviceAuthorization(config, { scope: 'file.read' })
    const browser = await suite.signedIn()
    const page = await browser.follow(await browser.get(device.verification_uri_complete ?? ''))
    const form = formsOf(page).find(({ text }) => text === 'user_code')
    if (form === undefined) throw new Error('no form for the user code')
    const consent = suite.consentForm(await browser.submit(form))
    consent.fields.set('decision', 'allow')
    await browser.submit(consent)
    const tokens = await openid.pollDeviceAuthorizationGrant(config, { ...device, interval: 0 })
    expect((await suite.read(tokens.access_token)).status).to.equal(200)
    expect(DEVICE_GRANT).to.include('device_code')
  })
})

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
      const answer = oauth.validateAuthResponse(as, client, await visit(suite, authorize), 's')
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
      const options = { [oauth.customFetch]: trusting(suite.target.ca) as never }
      const issuer = new URL(suite.target.issuer)
      const as = await oauth.processDiscoveryResponse(
        issuer,
        await oauth.discoveryRequest(issuer, options),
      )
      const { access_token } = await suite.tokens()
      const seen = new Request(suite.target.resourceUrl, {
        headers: { authorization: `Bearer ${access_token}` },
      })
      const audience = suite.target.resourceUrl.replace(/\/$/, '')
      const claims = await oauth.validateJwtAccessToken(as, seen, audience, options)
      expect(claims.client_id).to.equal(suite.client('fuse').client_id)
    },
  )
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
