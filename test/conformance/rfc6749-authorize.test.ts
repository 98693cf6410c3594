import { expect } from 'chai'
import { WEB_URI } from './support/clients.js'
import { expectPage, expectRedirect } from './support/expect.js'
import { locationOf } from './support/http.js'
import { refusalOf } from './support/registration.js'
import { row } from './support/row.js'
import { CODE_VERIFIER, success } from './support/values.js'

const EVIL = 'https://evil.test/cb'

describe('RFC 6749: authorization endpoint', () => {
  row('rfc6749-3.1-2', 'M', 'treats a parameter without a value as omitted', async (suite) => {
    expect((await suite.allowed({ state: '' })).searchParams.has('state')).to.equal(false)
    expectRedirect(await suite.asked({ code_challenge: '' }), 'invalid_request')
  })

  row('rfc6749-3.1-3', 'M', 'ignores parameters it does not know', async (suite) => {
    expect((await suite.allowed({ foo: 'bar' })).searchParams.get('code')).to.be.a('string')
  })

  row('rfc6749-3.1-4', 'M', 'refuses a repeated parameter', async (suite) => {
    expectRedirect(await suite.asked({ scope: ['file.read', 'file.read'] }), 'invalid_request')
    expectRedirect(await suite.asked({ foo: ['one', 'two'] }), 'invalid_request')
    expectRedirect(await suite.asked({ state: ['one', 'two'] }), 'invalid_request', null)
  })

  row(
    'rfc6749-3.1-5',
    'M',
    'does not redirect when client_id or redirect_uri is repeated',
    async (suite) => {
      const good = 'http://127.0.0.1:49152/cb'
      const { client_id } = suite.client('fuse')
      expectPage(await suite.asked({ redirect_uri: [good, EVIL] }), EVIL)
      expectPage(await suite.asked({ redirect_uri: [EVIL, good] }), EVIL)
      expectPage(await suite.asked({ client_id: [client_id, 'other'] }))
    },
  )

  row('rfc6749-3.1.1-1', 'M', 'refuses a missing or unknown response_type', async (suite) => {
    expectRedirect(await suite.asked({ response_type: undefined }), 'invalid_request')
    for (const response_type of ['foo', 'token', 'CODE', 'code token']) {
      expectRedirect(await suite.asked({ response_type }), 'unsupported_response_type')
    }
  })

  row(
    'rfc6749-3.1.2-1',
    'M',
    'registers and redirects to no URI that is relative or has a fragment',
    async (suite) => {
      expectPage(await suite.asked({ redirect_uri: '/cb' }))
      expectPage(await suite.asked({ redirect_uri: 'http://127.0.0.1:49152/cb#f' }))
      if (suite.target.inside === undefined) return
      for (const uri of ['/cb', 'https://a.test/#f', 'https://a.test/cb#', '']) {
        expect(await refusalOf(suite, { redirect_uris: [uri] }), uri).to.be.a('string')
      }
    },
  )

  row(
    'rfc6749-3.1.2-2',
    'M',
    'keeps the query of a registered redirect_uri',
    async (suite) => {
      const to = await suite.allowed(await suite.web())
      expect(to.href.startsWith(`${WEB_URI}&`)).to.equal(true)
      expect(to.searchParams.get('x')).to.equal('1')
      expect(to.searchParams.get('code')).to.be.a('string')
    },
    { clients: ['web'] },
  )

  row(
    'rfc6749-3.1.2.3-1',
    'M',
    'requires the redirect_uri where several, or a partial one, are registered',
    async (suite) => {
      expectPage(await suite.asked({ redirect_uri: undefined }))
      const { client_id } = suite.client('several')
      expectPage(await suite.asked({ client_id, redirect_uri: undefined }))
    },
    { clients: ['fuse', 'several'] },
  )

  row('rfc6749-3.1.2.4-1', 'M', 'does not redirect to an unregistered URI', async (suite) => {
    for (const redirect_uri of [
      EVIL,
      `${EVIL}"><script>alert(1)</script>`,
      'javascript:alert(1)',
    ]) {
      const page = await suite.asked({ redirect_uri })
      expectPage(page, EVIL)
      expect(page.body).to.not.include('<script>alert')
    }
  })

  row('rfc6749-3.3-1', 'M', 'refuses a scope that breaks the grammar', async (suite) => {
    for (const scope of ['file.read"', 'file\\read', 'file.read\tfile.write', 'file.réad']) {
      expectRedirect(await suite.asked({ scope }), 'invalid_scope')
    }
  })

  row('rfc6749-3.3-2', 'M', 'compares scope values case-sensitively', async (suite) => {
    expectRedirect(await suite.asked({ scope: 'FILE.READ' }), 'invalid_scope')
  })

  row(
    'rfc6749-3.3-3',
    'M',
    'says which scope was granted when the user un-ticked one',
    async (suite) => {
      const browser = await suite.signedIn()
      const form = suite.consentForm(await suite.asked({ scope: 'file.read file.write' }, browser))
      const others = [...form.fields].filter(([, value]) => value !== 'file.write')
      expect(others.length).to.be.below([...form.fields].length)
      const fields = new URLSearchParams([...others, ['decision', 'allow']])
      const code = locationOf(await browser.submit({ ...form, fields }))?.searchParams.get('code')
      const { scope, access_token } = success(await suite.redeem(code ?? ''))
      expect(scope).to.equal('file.read')
      expect(
        (
          await suite.http.send('PUT', `${suite.target.resourceUrl}x`, {
            headers: { authorization: `Bearer ${access_token}` },
          })
        ).status,
      ).to.equal(403)
    },
  )

  row('rfc6749-3.3-4', 'M', 'refuses a request without a scope, as documented', async (suite) => {
    expectRedirect(await suite.asked({ scope: undefined }), 'invalid_scope')
  })

  row('rfc6749-4.1.1-1', 'M', 'returns the state exactly', async (suite) => {
    const state = '%&#"<é\r\nSet-Cookie: a=b +;=\\ '.repeat(70)
    const to = await suite.allowed({ state })
    expect(to.searchParams.get('state')).to.equal(state)
  })

  row('rfc6749-4.1.2.1-1', 'M', 'does not redirect for an unknown client', async (suite) => {
    expectPage(await suite.asked({ client_id: 'nope' }))
  })

  row('rfc6749-4.1.2.1-2', 'M', 'reports that the user denied', async (suite) => {
    const browser = await suite.signedIn()
    const page = await suite.asked({}, browser)
    expectRedirect(await suite.decide(browser, page, 'deny'), 'access_denied')
  })

  row(
    'rfc6749-4.1.2.1-3',
    'M',
    'refuses a client that may not use the grant',
    async (suite) => {
      const { client_id } = suite.client('service')
      const page = await suite.asked({ client_id, redirect_uri: WEB_URI })
      expect(page.status).to.be.within(400, 499)
      expect(page.headers.location).to.equal(undefined)
    },
    { clients: ['service'] },
  )

  row(
    'rfc6749-4.1.2.1-4',
    'M',
    'keeps error and error_description to their characters',
    async (suite) => {
      const browser = await suite.signedIn()
      const nasty = ['"', '\\', 'é', '\u0000', '\r\n', '<script>', '\u202e', '😀', '%00', '\x7f']
      const names = [
        'scope',
        'response_type',
        'prompt',
        'max_age',
        'code_challenge',
        'response_mode',
      ]
      let redirects = 0
      for (let n = 0; n < 500; n++) {
        const name = names[n % names.length] ?? ''
        const value = `${nasty[n % nasty.length]}${n}${nasty[(n * 7) % nasty.length]}`
        const answer = await suite.authorize(browser, { [name]: value })
        expect(answer.status, `${name}=${value}`).to.be.below(500)
        const to = locationOf(answer)
        if (to === undefined) continue
        redirects++
        for (const member of ['error', 'error_description']) {
          const text = to.searchParams.get(member)
          expect(text, member).to.match(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
        }
      }
      expect(redirects).to.be.above(300)
    },
  )

  row('rfc6749-10.14-1', 'M', 'escapes what it shows', async (suite) => {
    const evil = '"><script>alert(1)</script>'
    const pages = [
      await suite.asked({ client_id: evil }),
      await suite.asked({ redirect_uri: evil }),
      await suite.http.follow(await suite.authorize(suite.http, { login_hint: evil })),
    ]
    if (suite.target.inside !== undefined) {
      // Characters that turn the text around (Unicode bidi) never get into a name.
      for (const client_name of ['Coffer \u202egnp.exe', 'Two\nlines', 'Hid\u200bden']) {
        expect(await refusalOf(suite, { client_name }), client_name).to.match(/client_name/)
      }
      const { store } = suite.inside
      const { client_id } = suite.client('fuse')
      const client = await store.client(client_id)
      if (client === undefined) throw new Error('the client is not in the store')
      await store.saveClient({ ...client, client_id: 'evil', client_name: evil })
      const browser = await suite.signedIn()
      const consent = await suite.asked({ client_id: 'evil' }, browser)
      await suite.decide(browser, consent)
      const account = await browser.get(`${suite.target.issuer}/account`)
      for (const page of [consent, account]) {
        expect(page.status).to.equal(200)
        expect(page.body).to.include('&lt;script&gt;alert(1)')
        pages.push(page)
      }
      await store.removeClient('evil', Date.now())
    }
    for (const page of pages) expect(page.body).to.not.include('<script>alert(1)')
  })

  row('oidcc-3.1.2.1-1', 'M', 'takes the request by GET and by POST', async (suite) => {
    const browser = await suite.signedIn()
    const url = await suite.endpoint('authorization')
    const page = await browser.follow(await browser.post(url, suite.baseline()))
    const to = await suite.decide(browser, page)
    const code = to.searchParams.get('code') ?? ''
    success(await suite.redeem(code, { code_verifier: CODE_VERIFIER }))
  })
})
