/** Older clients that others wrote, unmodified, against the server under test. */
import { Agent } from 'node:https'
import * as appauth from '@openid/appauth'
import { expect } from 'chai'
import { Strategy } from 'passport-oauth2'
import { AuthorizationCode, ClientCredentials } from 'simple-oauth2'
import { LOOPBACK, PLAIN_URI, WEB_URI } from './support/clients.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { trusting } from './support/trusting.js'
import { CODE_CHALLENGE, CODE_VERIFIER } from './support/values.js'

function agentOf({ target }: Suite): Agent {
  return new Agent({ ...(target.ca !== undefined && { ca: target.ca }) })
}

describe('simple-oauth2', () => {
  const options = (suite: Suite, name: 'web' | 'service') => {
    const { client_id: id, client_secret: secret = '' } = suite.client(name)
    const { issuer: tokenHost } = suite.target
    const auth = {
      tokenHost,
      tokenPath: '/token',
      ...(name === 'web' && { authorizePath: '/authorize', revokePath: '/revoke' }),
    }
    return { client: { id, secret }, auth, http: { agent: agentOf(suite) } }
  }

  row(
    'interop-simple-oauth2-1',
    'B',
    'gets, refreshes and revokes tokens',
    async (suite) => {
      const client = new AuthorizationCode(options(suite, 'web'))
      const scope = 'file.read offline_access'
      const url = client.authorizeURL({
        redirect_uri: WEB_URI,
        scope,
        state: 's',
        prompt: 'consent',
        code_challenge: CODE_CHALLENGE,
        code_challenge_method: 'S256',
      })
      const code = (await suite.visit(new URL(url))).searchParams.get('code')
      const first = await client.getToken({
        code,
        redirect_uri: WEB_URI,
        code_verifier: CODE_VERIFIER,
      })
      expect((await suite.read(first.token.access_token)).status).to.equal(200)
      const second = await first.refresh()
      expect(second.token.refresh_token).to.not.equal(first.token.refresh_token)
      await second.revoke('refresh_token')
      expect((await suite.read(second.token.access_token)).status).to.equal(401)
    },
    { clients: ['web'] },
  )

  row(
    'interop-simple-oauth2-2',
    'B',
    'gets tokens for itself',
    async (suite) => {
      const client = new ClientCredentials(options(suite, 'service'))
      const { token } = await client.getToken({ scope: 'file.read' })
      expect(token.access_token).to.be.a('string')
    },
    { clients: ['service'] },
  )
})

describe('passport-oauth2', () => {
  row(
    'interop-passport-oauth2-1',
    'B',
    'signs in with PKCE and state',
    async (suite) => {
      const { client_id: clientID, client_secret: clientSecret } = suite.client('post')
      const session = {}
      const authenticate = (query: object): Promise<unknown> =>
        new Promise((resolve, reject) => {
          const strategy = new Strategy(
            {
              authorizationURL: `${suite.target.issuer}/authorize`,
              tokenURL: `${suite.target.issuer}/token`,
              clientID,
              clientSecret,
              callbackURL: PLAIN_URI,
              scope: 'file.read',
              pkce: true,
              state: true,
            },
            ((
              accessToken: string,
              _refresh: string,
              _profile: object,
              done: (error: null, user: string) => void,
            ) => done(null, accessToken)) as never,
          )
          strategy._oauth2.setAgent(agentOf(suite))
          strategy.redirect = resolve
          strategy.success = resolve
          strategy.fail = reject
          strategy.error = reject
          strategy.authenticate({ session, query, headers: {}, body: {} })
        })
      const back = await suite.visit(new URL(`${await authenticate({})}&prompt=consent`))
      const accessToken = await authenticate(Object.fromEntries(back.searchParams))
      expect((await suite.read(String(accessToken))).status).to.equal(200)
    },
    { clients: ['post'] },
  )
})

describe('AppAuth-JS', () => {
  /** It brings requestors for browsers; this one does what they do. */
  class Requestor extends appauth.Requestor {
    readonly #fetch: ReturnType<typeof trusting>
    constructor(fetch: ReturnType<typeof trusting>) {
      super()
      this.#fetch = fetch
    }
    override async xhr<T>({
      url = '',
      method = 'GET',
      data,
      headers,
    }: appauth.Settings): Promise<T> {
      const init = {
        method,
        ...(headers !== undefined && { headers }),
        ...(method === 'POST' && { body: String(data) }),
      }
      return (await this.#fetch(url, init)).json() as Promise<T>
    }
  }

  row(
    'interop-appauth-1',
    'B',
    'discovers the server, gets and refreshes tokens',
    async (suite) => {
      const requestor = new Requestor(trusting(suite.target.ca))
      const { client_id } = suite.client('fuse')
      const server = await appauth.AuthorizationServiceConfiguration.fetchFromIssuer(
        suite.target.issuer,
        requestor,
      )
      const url = new URL(server.authorizationEndpoint)
      url.search = new URLSearchParams(
        suite.baseline({ scope: 'openid file.read offline_access' }) as Record<string, string>,
      ).toString()
      const code = (await suite.visit(url)).searchParams.get('code') ?? ''
      const handler = new appauth.BaseTokenRequestHandler(requestor)
      const request = (more: object) =>
        new appauth.TokenRequest({
          client_id,
          redirect_uri: LOOPBACK,
          ...more,
        })
      const first = await handler.performTokenRequest(
        server,
        request({
          grant_type: appauth.GRANT_TYPE_AUTHORIZATION_CODE,
          code,
          extras: { code_verifier: CODE_VERIFIER },
        }),
      )
      expect((await suite.read(first.accessToken)).status).to.equal(200)
      const second = await handler.performTokenRequest(
        server,
        request({
          grant_type: appauth.GRANT_TYPE_REFRESH_TOKEN,
          refresh_token: first.refreshToken,
        }),
      )
      expect(second.isValid()).to.equal(true)
      expect(second.refreshToken).to.not.equal(first.refreshToken)
    },
  )
})
