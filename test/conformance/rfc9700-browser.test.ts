import { expect } from 'chai'
import { expectPage, expectRedirect } from './support/expect.js'
import { formsOf, locationOf } from './support/http.js'
import { row } from './support/row.js'

describe('RFC 9700: browsers and redirects', () => {
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
      // of https://rp.test/cb?x=1
      for (const redirect_uri of [
        'https://RP.test/cb?x=1',
        'HTTPS://rp.test/cb?x=1',
        'https://rp.test/CB?x=1',
        'https://rp.test:443/cb?x=1',
        'https://rp.test/%63b?x=1',
        'https://rp.test/./cb?x=1',
        'https://rp.test/cb/?x=1',
        'https://rp.test/cb?x=1&y=2',
        'https://rp.test/cb',
        'https://rp.test/cb?x=1#',
        'https://evil@rp.test/cb?x=1',
      ]) {
        expectPage(await suite.asked(await suite.web({ redirect_uri })))
      }
    },
    { clients: ['fuse', 'web'] },
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
          expect(locationOf(answer)?.origin ?? suite.target.issuer, `${path} ${name}`).to.equal(
            suite.target.issuer,
          )
          expect(answer.headers.refresh).to.equal(undefined)
          expect(answer.body, `${path} ${name}`).to.not.match(/(?:href|action)="[^"]*evil\.test/)
        }
      }
    }
    const page = await browser.get(
      `${suite.target.issuer}/login?${new URLSearchParams({ return_to: evil, reauthenticate: '1' })}`,
    )
    const posted = await suite.submitLogin(browser, page)
    expect(locationOf(posted)?.origin).to.equal(suite.target.issuer)
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

  row('rfc9700-2.1.2-1', 'S', 'puts no token into the front channel', async (suite) => {
    for (const response_type of ['token', 'id_token', 'id_token token', 'code id_token']) {
      expectRedirect(await suite.asked({ response_type, nonce: 'n' }), 'unsupported_response_type')
    }
  })

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
      // Resource servers introspect, and they are no browsers.
      const introspection = await suite.endpoint('introspection')
      for (const method of ['OPTIONS', 'POST']) {
        const answer = await suite.http.send(method, introspection, { headers })
        expect(answer.headers['access-control-allow-origin'], method).to.equal(undefined)
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
      await suite.asked({ client_id: 'nope' }, browser),
      await browser.get(`${suite.target.issuer}/device`),
      await browser.get(`${suite.target.issuer}/account`),
      await browser.get(await suite.endpoint('end_session')),
    ]
    for (const { headers, body } of pages) {
      expect(headers['referrer-policy']).to.be.oneOf(['no-referrer', 'same-origin'])
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
