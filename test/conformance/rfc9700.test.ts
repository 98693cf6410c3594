import { expect } from 'chai'
import { expectError, expectPage, expectRedirect } from './support/expect.js'
import { formsOf, locationOf } from './support/http.js'
import { Prover } from './support/proof.js'
import { refusalOf } from './support/registration.js'
import { row } from './support/row.js'
import { success, unique } from './support/suite.js'

const client_credentials = { grant_type: 'client_credentials' }

describe('RFC 9700: best current practice', () => {
  row(
    'rfc9700-2.1-1',
    'M',
    'compares redirects exactly, whatever URL parsers make of them',
    async (suite) => {
      for (const redirect_uri of [
        'http://127.0.0.1:49152\\@evil.test/cb',
        'http://127.0.0.1:49152/cb\t',
        'http://127.0.0.1:49152/\ncb',
        ' http://127.0.0.1:49152/cb',
        'http://127。0.0.1:49152/cb',
        'http://xn--evil-127.test/cb',
        'http:/127.0.0.1:49152/cb',
        'http:\\\\127.0.0.1:49152/cb',
        'http://127.0.0.1:49152/cb%00',
      ]) {
        expectPage(await suite.asked({ redirect_uri }))
      }
    },
  )

  row('rfc9700-2.1-2', 'M', 'redirects nobody to where a parameter says', async (suite) => {
    const browser = await suite.signedIn()
    const evil = 'https://evil.test/'
    for (const path of ['/login', '/logout', '/device', '/account', '/']) {
      for (const name of [
        'return_to',
        'returnTo',
        'next',
        'url',
        'redirect',
        'post_logout_redirect_uri',
        'continue',
        'request',
      ]) {
        for (const value of [evil, '//evil.test/', '/\\evil.test/', '/%09/evil.test']) {
          const answer = await browser.get(
            `${suite.target.issuer}${path}?${new URLSearchParams({ [name]: value })}`,
          )
          if (path === '/logout') break
          expect(locationOf(answer)?.origin ?? suite.target.issuer, `${path} ${name}`).to.equal(
            suite.target.issuer,
          )
        }
      }
    }
  })

  row(
    'rfc9700-2.1.1-2',
    'M',
    'lets nobody leave PKCE out, so no verifier comes without a challenge',
    async (suite) => {
      for (const changes of [{ code_challenge: undefined }, { code_challenge_method: undefined }]) {
        expectRedirect(await suite.asked(changes), 'invalid_request')
        expectRedirect(await suite.asked(await suite.web(changes)), 'invalid_request')
      }
    },
    { clients: ['fuse', 'web'] },
  )

  row(
    'rfc9700-2.6-3',
    'S',
    'draws client identifiers that no user has, and takes none that one has',
    async (suite) => {
      const sub = suite.inside.userId(suite.target.users[0].username)
      expect(await refusalOf(suite, {}, sub)).to.be.a('string')
      expect(await refusalOf(suite, { client_id: sub })).to.equal(undefined)
    },
    { inside: true },
  )

  row('rfc9700-2.1.2-1', 'S', 'puts no token into the front channel', async (suite) => {
    for (const response_type of ['token', 'id_token', 'id_token token', 'code id_token']) {
      expectRedirect(await suite.asked({ response_type, nonce: 'n' }), 'unsupported_response_type')
    }
  })

  row('rfc9700-2.2.2-1', 'M', 'rotates the refresh tokens of public clients', async (suite) => {
    const { refresh_token } = await suite.tokens()
    expect(success(await suite.refresh(refresh_token)).refresh_token).to.not.equal(refresh_token)
  })

  row(
    'rfc9700-4.14.2-1',
    'M',
    'ends the family when a refresh token is used again',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const next = success(await suite.refresh(refresh_token))
      suite.inside.passTime(60)
      expectError(await suite.refresh(refresh_token), 400, 'invalid_grant')
      expectError(await suite.refresh(next.refresh_token), 400, 'invalid_grant')
      expect((await suite.read(next.access_token)).status).to.equal(401)
    },
    { inside: true },
  )

  row(
    'rfc9700-4.14.2-2',
    'B',
    'gives an honest retry the same successor, and strangers nothing',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const { refresh_token: next } = success(await suite.refresh(refresh_token))
      const { client_id } = suite.client('several')
      expectError(await suite.refresh(refresh_token, { client_id }), 400, 'invalid_grant')
      const thief = await Prover.create()
      const form = {
        grant_type: 'refresh_token',
        client_id: suite.client('fuse').client_id,
        refresh_token,
      }
      expectError(await thief.token(suite, form), 400, 'invalid_grant')
      expect(success(await suite.refresh(refresh_token)).refresh_token).to.equal(next)
      success(await suite.refresh(next))
    },
    { clients: ['fuse', 'several'] },
  )

  row(
    'rfc9700-4.14.2-3',
    'B',
    'has one successor when 100 requests race, and the session lives on',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => suite.refresh(refresh_token)),
      )
      const successors = new Set(answers.map((answer) => success(answer).refresh_token))
      expect(successors.size).to.equal(1)
      success(await suite.refresh([...successors][0] ?? ''))
    },
  )

  row(
    'rfc9700-4.14.2-4',
    'B',
    'remembers what was rotated when the server is killed',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const next = success(await suite.refresh(refresh_token))
      const { inside } = suite
      await inside.server.stop('SIGKILL')
      inside.passTime(60)
      await inside.server.restart()
      expectError(await suite.refresh(refresh_token), 400, 'invalid_grant')
      expectError(await suite.refresh(next.refresh_token), 400, 'invalid_grant')
    },
    { inside: true },
  )

  row(
    'rfc9700-4.14.2-6',
    'S',
    'lets idle refresh tokens expire, and ends them with the password',
    async (suite) => {
      const { inside } = suite
      const [, second] = suite.target.users
      const browser = await suite.login(second)
      const changed = await suite.tokens({}, browser)
      await inside.changePassword(second.username, second.password)
      expectError(await suite.refresh(changed.refresh_token), 400, 'invalid_grant')
      expect((await suite.read(changed.access_token)).status).to.equal(401)
      const idle = await suite.tokens({}, await suite.login(second))
      inside.passTime(30 * 86_400 + 1)
      expectError(await suite.refresh(idle.refresh_token), 400, 'invalid_grant')
    },
    { inside: true },
  )

  row(
    'rfc9700-2.5-1',
    'S',
    'authenticates clients by their key, and checks the assertion',
    async (suite) => {
      const ask = async (changes: object, kid?: string) =>
        suite.token({
          ...client_credentials,
          ...(await suite.assertion('keyed', changes as never, kid)),
        })
      expect((await ask({})).status).to.equal(200)
      const { issuer } = suite.target
      const now = Math.floor(Date.now() / 1000)
      const { client_id } = suite.client('web')
      for (const changes of [
        { aud: `${issuer}/token` },
        { aud: [issuer] },
        { aud: `${issuer}/` },
        { aud: undefined },
        { exp: now + 3600 },
        { exp: now - 60 },
        { exp: undefined },
        { iss: client_id },
        { jti: undefined },
        { nbf: now + 300 },
      ]) {
        expectError(await ask(changes), 401, 'invalid_client')
      }
      expectError(await ask({}, 'other'), 401, 'invalid_client')
      const once = await suite.assertion('keyed', { jti: unique() })
      expect((await suite.token({ ...client_credentials, ...once })).status).to.equal(200)
      expectError(await suite.token({ ...client_credentials, ...once }), 401, 'invalid_client')
    },
    { clients: ['keyed', 'web'] },
  )

  row(
    'rfc9700-2.6-2',
    'M',
    'has no CORS at the authorization endpoint, and has it elsewhere',
    async (suite) => {
      const headers = {
        origin: 'https://spa.test',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'dpop',
      }
      const authorization = await suite.endpoint('authorization')
      for (const method of ['OPTIONS', 'GET']) {
        const answer = await suite.http.send(method, authorization, { headers })
        expect(answer.headers['access-control-allow-origin']).to.equal(undefined)
      }
      const { jwks_uri = '' } = await suite.metadata()
      const open = await Promise.all(
        ['token', 'userinfo', 'revocation'].map((name) => suite.endpoint(name)),
      )
      for (const url of [
        ...open,
        jwks_uri,
        `${suite.target.issuer}/.well-known/openid-configuration`,
      ]) {
        const preflight = await suite.http.send('OPTIONS', url, { headers })
        expect(preflight.status, url).to.be.within(200, 204)
        for (const answer of [
          preflight,
          await suite.http.get(url, { origin: 'https://spa.test' }),
        ]) {
          expect(answer.headers['access-control-allow-origin'], url).to.be.oneOf([
            '*',
            'https://spa.test',
          ])
          expect(answer.headers['access-control-allow-credentials']).to.equal(undefined)
        }
      }
    },
  )

  row('rfc9700-4.2.4-1', 'S', 'leaks nothing from its pages', async (suite) => {
    const browser = await suite.signedIn()
    const pages = [
      await suite.http.follow(await suite.authorize(suite.http)),
      await suite.asked({}, browser),
    ]
    for (const { headers, body } of pages) {
      expect(headers['referrer-policy']).to.equal('no-referrer')
      expect(headers['cache-control']).to.include('no-store')
      for (const [, url = ''] of body.matchAll(/(?:src|href)="([^"]*)"/g)) {
        expect(new URL(url, suite.target.issuer).origin).to.equal(
          new URL(suite.target.issuer).origin,
        )
      }
    }
  })

  row(
    'rfc9700-4.11.2-1',
    'M',
    'sends nobody to a client before the login, not even with an error',
    async (suite) => {
      for (const changes of [
        { response_type: 'token' },
        { code_challenge: undefined },
        {},
        { scope: 'nope' },
      ]) {
        const browser = suite.newBrowser()
        const end = await browser.follow(await suite.authorize(browser, changes))
        expect(locationOf(end)).to.equal(undefined)
        expect(formsOf(end).some(({ hasPassword }) => hasPassword)).to.equal(true)
        if (changes.scope === 'nope')
          expectRedirect(
            await browser.follow(await suite.submitLogin(browser, end)),
            'invalid_scope',
          )
      }
      const silent = await suite.authorize(suite.newBrowser(), { prompt: 'none' })
      expectRedirect(silent, 'login_required')
    },
  )

  row(
    'rfc9700-4.12-1',
    'M',
    'redirects with 303 after the login and the consent',
    async (suite) => {
      const browser = suite.newBrowser()
      const page = await browser.follow(await suite.authorize(browser))
      const posted = await suite.submitLogin(browser, page)
      expect(posted.status).to.equal(303)
      const form = suite.consentForm(await browser.follow(posted))
      form.fields.set('decision', 'allow')
      expect((await browser.submit(form)).status).to.equal(303)
    },
  )

  row('rfc9700-4.13-1', 'M', 'ignores forged proxy fields', async (suite) => {
    const forged = {
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-host': 'evil.test',
      'x-forwarded-proto': 'http',
      forwarded: 'for=203.0.113.9;host=evil.test',
    }
    const answer = await suite.http.get(await suite.endpoint('authorization'), {
      ...forged,
      accept: 'text/html',
    })
    expect(JSON.stringify([answer.lines, answer.body])).to.not.include('evil.test')
    const login = await suite.http.get(`${suite.target.issuer}/login`, forged)
    for (const [name, value] of login.lines)
      if (name === 'set-cookie') expect(value).to.match(/secure/i)
    const { client_id } = suite.client('fuse')
    const device = await suite.http.post(
      await suite.endpoint('device_authorization'),
      { client_id, scope: 'file.read' },
      forged,
    )
    const { user_code } = JSON.parse(device.body)
    const browser = await suite.signedIn()
    const form = formsOf(await browser.get(`${suite.target.issuer}/device`)).find(
      ({ text }) => text === 'user_code',
    )
    if (form === undefined) throw new Error('no form for the user code')
    form.fields.set('user_code', user_code)
    expect((await browser.submit(form)).body).to.not.include('203.0.113.9')
  })
})

describe('RFC 9728: protected resource metadata', () => {
  const metadataUrl = async (suite: Parameters<Parameters<typeof row>[3]>[0]) =>
    /resource_metadata="([^"]+)"/.exec(
      (await suite.http.get(suite.target.resourceUrl)).headers['www-authenticate'] ?? '',
    )?.[1] ?? ''

  row(
    'rfc9728-2-1',
    'M',
    'describes the resource',
    async (suite) => {
      const body = JSON.parse((await suite.http.get(await metadataUrl(suite))).body)
      expect(body.resource).to.match(/^https:/)
      expect(body.authorization_servers).to.deep.equal([suite.target.issuer])
      expect(body.scopes_supported).to.include.members(['file.read', 'file.write'])
      expect(body.bearer_methods_supported).to.deep.equal(['header'])
      expect(body.dpop_signing_alg_values_supported).to.include('ES256')
    },
    { clients: [] },
  )

  row(
    'rfc9728-3-1',
    'M',
    'is found by inserting the well-known path',
    async (suite) => {
      const url = await metadataUrl(suite)
      const { resource } = JSON.parse((await suite.http.get(url)).body)
      const { origin, pathname } = new URL(resource)
      expect(url).to.equal(
        `${origin}/.well-known/oauth-protected-resource${pathname.replace(/\/$/, '')}`,
      )
    },
    { clients: [] },
  )

  row(
    'rfc9728-3.2-1',
    'M',
    'is JSON without empty members',
    async (suite) => {
      const answer = await suite.http.get(await metadataUrl(suite))
      expect(answer.status).to.equal(200)
      expect(answer.headers['content-type']).to.match(/^application\/json/)
      for (const value of Object.values(JSON.parse(answer.body)))
        expect(value).to.not.be.oneOf([null, ''])
    },
    { clients: [] },
  )

  row(
    'rfc9728-3.3-1',
    'M',
    'names the identifier that it was found by',
    async (suite) => {
      const url = await metadataUrl(suite)
      const { resource } = JSON.parse((await suite.http.get(url)).body)
      expect(suite.target.resourceUrl.startsWith(resource)).to.equal(true)
    },
    { clients: [] },
  )

  row('rfc9728-5.1-1', 'M', 'is named by every 401, and leads to a token', async (suite) => {
    for (const answer of [
      await suite.http.get(suite.target.resourceUrl),
      await suite.read('nonsense'),
      await suite.http.get(suite.target.resourceUrl, { authorization: 'DPoP nonsense' }),
    ]) {
      expect(answer.status).to.equal(401)
      expect(answer.headers['www-authenticate']).to.match(
        /Bearer .*resource_metadata=.*DPoP .*resource_metadata=/,
      )
    }
    const { authorization_servers } = JSON.parse(
      (await suite.http.get(await metadataUrl(suite))).body,
    )
    expect(authorization_servers[0]).to.equal(suite.target.issuer)
    expect((await suite.read((await suite.tokens()).access_token)).status).to.equal(200)
  })
})
