/** Clients that others wrote, unmodified, against the server under test. */
import { expect } from 'chai'
import * as openid from 'openid-client'
import { DEVICE_GRANT, LOOPBACK, PLAIN_URI } from './support/clients.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { trusting } from './support/trusting.js'

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
      const back = await suite.visit(url)
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
    'pushes its request, introspects and logs out',
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
      const back = await suite.visit(url)
      const tokens = await openid.authorizationCodeGrant(config, back, {
        pkceCodeVerifier,
        idTokenExpected: true,
      })
      const introspected = await openid.tokenIntrospection(config, tokens.access_token)
      expect(introspected).to.include({ active: true, sub: tokens.claims()?.sub })
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
    await suite.allowDevice(device.verification_uri_complete ?? '')
    const tokens = await openid.pollDeviceAuthorizationGrant(config, { ...device, interval: 0 })
    expect((await suite.read(tokens.access_token)).status).to.equal(200)
    expect(DEVICE_GRANT).to.include('device_code')
  })
})
