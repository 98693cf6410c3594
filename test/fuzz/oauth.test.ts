import { Agent, request } from 'node:https'
import { expect } from 'chai'
import { DEVICE_GRANT } from '../conformance/support/clients.js'
import { formsOf, Http, json } from '../conformance/support/http.js'
import { basic, CODE_CHALLENGE, CODE_VERIFIER } from '../conformance/support/values.js'
import { startServer, type TestServer } from '../support/server.js'
import { type Fields, form, head, metadata } from './oauth-requests.js'
import { random } from './random.js'

/** Requests for each endpoint; the full run is COFFER_FUZZ_ROUNDS=10000. */
const ROUNDS = Number(process.env.COFFER_FUZZ_ROUNDS ?? 1000)
const SEED = Number(process.env.COFFER_FUZZ_SEED ?? Date.now() % 2 ** 32)
const AT_ONCE = 16
const PATIENCE = 20_000
const METHODS = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']

const REDIRECT_URI = 'http://127.0.0.1:49152/callback'
const REGISTERED = {
  client_name: 'fuzz',
  redirect_uris: ['https://rp.test/cb'],
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: ['authorization_code', 'refresh_token'],
}
const ASK: Fields = {
  response_type: 'code',
  client_id: 'coffer',
  redirect_uri: REDIRECT_URI,
  scope: 'openid file.read',
  state: 'xyz',
  code_challenge: CODE_CHALLENGE,
  code_challenge_method: 'S256',
}
const REDEEM: Fields = {
  grant_type: 'authorization_code',
  client_id: 'coffer',
  redirect_uri: REDIRECT_URI,
  code: 'x'.repeat(43),
  code_verifier: CODE_VERIFIER,
}
const REFRESH: Fields = {
  grant_type: 'refresh_token',
  client_id: 'coffer',
  refresh_token: `0mx2hfnb7.${'x'.repeat(43)}`,
}
const POLL: Fields = {
  grant_type: DEVICE_GRANT,
  client_id: 'coffer',
  device_code: 'x'.repeat(43),
}
const ASSERTED: Fields = {
  grant_type: 'client_credentials',
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  client_assertion: 'e30.e30.AA',
}

interface Endpoint {
  readonly path: string
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Requests that would be good, or nearly. */
  readonly good: readonly Fields[]
  /** Sent by a browser in which somebody is signed in, as a form of our own pages. */
  readonly signedIn?: true
  /** JSON and not a form. */
  readonly json?: true
  /** The path goes on with a client that registered itself, whose token is sent with it. */
  readonly managed?: true
}

const LOGOUT: Fields = {
  id_token_hint: 'e30.e30.AA',
  post_logout_redirect_uri: 'https://rp.test/',
  state: 's',
}
const HELD: Fields = { request: 'x'.repeat(200) }

const ENDPOINTS: readonly Endpoint[] = [
  { path: '/authorize', method: 'GET', good: [ASK], signedIn: true },
  { path: '/authorize', method: 'POST', good: [ASK] },
  { path: '/authorize/continue', method: 'GET', good: [HELD], signedIn: true },
  {
    path: '/authorize/decision',
    method: 'POST',
    good: [{ request: 'x'.repeat(200), decision: 'allow', scope: 'file.read' }],
    signedIn: true,
  },
  { path: '/token', method: 'POST', good: [REDEEM, REFRESH, POLL, ASSERTED] },
  { path: '/par', method: 'POST', good: [ASK] },
  { path: '/device_authorization', method: 'POST', good: [{ client_id: 'coffer', scope: 'x' }] },
  { path: '/device', method: 'GET', good: [{ user_code: 'BCDF-GHJK' }], signedIn: true },
  { path: '/device', method: 'POST', good: [{ user_code: 'BCDF-GHJK' }], signedIn: true },
  {
    path: '/device/decision',
    method: 'POST',
    good: [{ request: 'x'.repeat(200), decision: 'allow' }],
    signedIn: true,
  },
  { path: '/introspect', method: 'POST', good: [{ token: 'e30.e30.AA', token_type_hint: 'x' }] },
  { path: '/revoke', method: 'POST', good: [{ token: 'e30.e30.AA', client_id: 'coffer' }] },
  { path: '/userinfo', method: 'GET', good: [{ schema: 'openid' }] },
  { path: '/userinfo', method: 'POST', good: [{ access_token: 'e30.e30.AA' }] },
  { path: '/logout', method: 'GET', good: [LOGOUT] },
  { path: '/logout', method: 'POST', good: [LOGOUT] },
  { path: '/logout/continue', method: 'GET', good: [HELD], signedIn: true },
  {
    path: '/logout/decision',
    method: 'POST',
    good: [{ request: 'x'.repeat(200), decision: 'deny' }],
    signedIn: true,
  },
  { path: '/register', method: 'POST', good: [], json: true },
  { path: '/register/', method: 'GET', good: [{ x: 'y' }], managed: true },
  { path: '/register/', method: 'PUT', good: [], json: true, managed: true },
  { path: '/jwks', method: 'GET', good: [{ x: 'y' }] },
  { path: '/.well-known/openid-configuration', method: 'GET', good: [{ x: 'y' }] },
  { path: '/.well-known/oauth-authorization-server', method: 'GET', good: [{ x: 'y' }] },
  { path: '/.well-known/oauth-protected-resource/files', method: 'GET', good: [{ x: 'y' }] },
]

describe(`the OAuth endpoints under ${ROUNDS} malformed requests each (seed ${SEED})`, () => {
  let server: TestServer
  let agent: Agent
  /** A browser in which the first user is signed in. */
  let browser: Http
  let csrfToken = ''
  /** Credentials of a confidential client. */
  let credentials = ''
  /** One that is changed all the time. */
  let managed: Readonly<Record<'client_id' | 'token', string>>

  before(async () => {
    server = await startServer({
      env: {
        COFFER_REGISTRATION: 'open',
        COFFER_TRUST_PROXY: '127.0.0.0/8,::1/128',
        COFFER_TOKEN_FAILURES: '1000000',
        COFFER_LOGIN_FAILURES: '1000000',
      },
    })
    agent = new Agent({ ca: server.ca, keepAlive: true, maxSockets: AT_ONCE, timeout: PATIENCE })
    browser = new Http(server.ca)
    const [login] = formsOf(await browser.get(`${server.issuer}/login`))
    if (login === undefined) throw new Error('no login form')
    login.fields.set('username', server.username)
    login.fields.set('password', server.password)
    await browser.follow(await browser.submit(login))
    const [device] = formsOf(await browser.get(`${server.issuer}/device`))
    csrfToken = device?.fields.get('csrf_token') ?? ''
    expect(csrfToken).to.not.equal('')
    const register = async () =>
      json(
        await browser.send('POST', `${server.issuer}/register`, {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(REGISTERED),
        }),
      )
    const { client_id, client_secret } = await register()
    credentials = basic(String(client_id), String(client_secret))
    const other = await register()
    managed = {
      client_id: String(other.client_id),
      token: String(other.registration_access_token),
    }
  })
  after(async () => {
    agent?.destroy()
    await server?.remove()
  })

  /** The status; 0 when the server closed the connection on a request that it had refused. */
  function send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      const length = { 'Content-Length': String(Buffer.byteLength(body)) }
      const options = { method, agent, timeout: PATIENCE, headers: { ...headers, ...length } }
      const sent = request(new URL(path, server.issuer), options, (response) => {
        response.resume()
        response.once('close', () => resolve(response.statusCode ?? 0))
      })
      sent.once('timeout', () => {
        reject(new Error('hangs'))
        sent.destroy()
      })
      sent.once('error', () => resolve(0))
      sent.end(body)
    })
  }

  for (const { path: beginning, method, good, signedIn, json, managed: isManaged } of ENDPOINTS) {
    it(`${method} ${beginning} answers each with its own fault`, async () => {
      const path = isManaged ? beginning + managed.client_id : beginning
      const source = random(SEED)
      const { one, below } = source
      const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ')
      const statuses = new Set<number>()
      const faults: unknown[] = []
      let left = ROUNDS
      const work = async () => {
        while (left-- > 0 && faults.length === 0) {
          const used = below(40) === 0 ? one(METHODS) : method
          const own = signedIn === true && below(8) > 0 ? { csrf_token: csrfToken } : undefined
          const sent = json
            ? metadata(source, REGISTERED)
            : form(source, good.length === 0 ? {} : one(good))
          const whole = own === undefined ? sent : `${sent}&${new URLSearchParams(own)}`
          const inUrl = method === 'GET'
          const headers = head(source, {
            'X-Forwarded-For': `10.${below(256)}.${below(256)}.${below(256)}`,
            ...(!inUrl && {
              'Content-Type': json ? 'application/json' : 'application/x-www-form-urlencoded',
            }),
            ...(signedIn && { Cookie: cookie, Origin: server.issuer, Accept: 'text/html' }),
            ...(!signedIn && !isManaged && below(2) === 0 && { Authorization: credentials }),
            // It is to stay.
            ...(isManaged && used !== 'DELETE' && { Authorization: `Bearer ${managed.token}` }),
          })
          // A URL holds less than a body, and no control characters.
          const query = whole.slice(0, 9000).replace(/[^\x21-\x7e]/g, '')
          const status = await send(
            used,
            inUrl ? `${path}?${query}` : path,
            headers,
            inUrl || used === 'GET' || used === 'HEAD' ? '' : whole,
          )
          statuses.add(status)
          if (status >= 500) faults.push([status, used, path, headers, whole])
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      expect(faults).to.deep.equal([])
      // Not all of them end at the door: what was refused was read.
      expect([...statuses].some((status) => status >= 200 && status < 500)).to.equal(true)
    })
  }

  it('leave the server as it was, and nothing unexpected in its log', async () => {
    expect((await browser.get(`${server.issuer}/account`)).status).to.equal(200)
    expect(server.log()).to.not.match(/unhandled|uncaught|"level":"(error|fatal)"/i)
  })
}).timeout(600_000)
