import { expect } from 'chai'
import { returnTo } from '../../../server/site/return-to.js'
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import { authorizePath, field, PASSWORD, type Running, signIn, startSite } from '../running.js'

const COOKIE = '__Host-coffer'

function cookies(response: { headers: Record<string, unknown> }): string[] {
  return (response.headers['set-cookie'] as string[] | undefined) ?? []
}
function session(response: { headers: Record<string, unknown> }): string {
  const [pair = ''] =
    cookies(response)
      .find((each) => each.startsWith(`${COOKIE}=`))
      ?.split(';') ?? []
  return pair.slice(COOKIE.length + 1)
}

/** The field into which a browser puts the cursor. */
function focused(html: string): string {
  const [field, ...others] = html.match(/<input [^>]*\bautofocus\b[^>]*>/g) ?? []
  expect(others).to.deep.equal([])
  return field ?? ''
}

describe('/login', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let site: Running
  before(async () => {
    site = await startSite({ environment: { COFFER_LOGIN_FAILURES: '1000' } })
  })
  after(() => site.remove())

  it('signs in and goes back by 303 (RFC 9700 section 4.12)', async () => {
    const answer = await signIn(site.browser())
    expect(answer.status).to.equal(303)
    expect(answer.headers.location).to.equal('/account')
  })

  it('leads on to what was pushed because it is too long for a URL (RFC 9126 section 1)', async () => {
    const state = 'é"'.repeat(1000)
    const form = authorizePath({ state, claims: `{"x":"${'x'.repeat(20_000)}"}` }).split('?')[1]
    const pushed = await site.browser().post('/par').type('form').send(form)
    const { request_uri } = pushed.body
    const browser = site.browser()
    const query = new URLSearchParams({ client_id: 'coffer', request_uri })
    const start = await browser.get(`/authorize?${query}`)
    const login = await browser.get(String(start.headers.location))
    const on = await signIn(browser, { return_to: field(login.text, 'return_to') })
    const consent = await browser.get(String(on.headers.location))
    expect(consent.status, consent.text).to.equal(200)
    const answer = await browser
      .post('/authorize/decision')
      .type('form')
      .send({
        csrf_token: field(consent.text, 'csrf_token'),
        request: field(consent.text, 'request'),
        scope: 'file.read',
        decision: 'allow',
      })
    expect(new URL(String(answer.headers.location)).searchParams.get('state')).to.equal(state)
  })

  it('carries a long request over from a form of another site', async () => {
    const form = `${authorizePath().split('?')[1]}&claims=${'x'.repeat(20_000)}`
    const browser = site.browser()
    const held = await browser.post('/authorize').type('form').send(form)
    const start = await browser.get(String(held.headers.location))
    expect((await browser.get(String(start.headers.location))).status).to.equal(200)
  })

  it('sets a cookie that only this origin gets, only over TLS, and no script', async () => {
    const answer = await signIn(site.browser())
    const set = cookies(answer)
    expect(set).to.have.length(2)
    for (const each of set) {
      expect(each)
        .to.match(/^__Host-/)
        .and.match(/; path=\//i)
        .and.match(/; secure/i)
      expect(each)
        .to.match(/; httponly/i)
        .and.match(/; samesite=lax/i)
        .and.not.match(/domain=/i)
    }
  })

  it('puts nothing into the cookie but a random id', async () => {
    const answer = await signIn(site.browser())
    const content = JSON.parse(Buffer.from(session(answer), 'base64').toString())
    expect(Object.keys(content)).to.deep.equal(['sid'])
    expect(content.sid).to.match(/^[\w-]{43}$/)
  })

  it('changes the id at login, and the one before is worth nothing (session fixation)', async () => {
    const browser = site.browser()
    const before = await browser.get('/login')
    const planted = cookies(before).map((each) => each.split(';')[0])
    const answer = await browser
      .post('/login')
      .type('form')
      .send({
        csrf_token: field(before.text, 'csrf_token'),
        username: 'admin',
        password: PASSWORD,
      })
    expect(session(answer)).to.not.equal(session(before))
    const thief = await site.browser().get('/account').set('Cookie', planted.join('; '))
    expect(thief.status).to.equal(303)
    expect(thief.headers.location).to.match(/^\/login/)
  })

  it('ends a session for good: a copy of its cookie is dead after logout', async () => {
    const browser = site.browser()
    const copy = cookies(await signIn(browser)).map((each) => each.split(';')[0])
    const inside = () => site.browser().get('/account').set('Cookie', copy.join('; '))
    expect((await inside()).status).to.equal(200)
    const page = await browser.get('/logout')
    const action = /action="([^"]+)"/.exec(page.text)?.[1] ?? ''
    const answer = await browser
      .post(action)
      .type('form')
      .send({
        csrf_token: field(page.text, 'csrf_token'),
        request: field(page.text, 'request'),
        decision: 'allow',
      })
    expect(answer.status).to.be.below(400)
    expect((await inside()).status).to.equal(303)
  })

  it('ends the session that was there before when somebody signs in again', async () => {
    const browser = site.browser()
    const copy = cookies(await signIn(browser)).map((each) => each.split(';')[0])
    const inside = () => site.browser().get('/account').set('Cookie', copy.join('; '))
    expect((await inside()).status).to.equal(200)
    const page = await browser.get('/login?reauthenticate=1')
    const form = { csrf_token: field(page.text, 'csrf_token'), reauthenticate: '1' }
    const answer = await browser
      .post('/login')
      .type('form')
      .send({ ...form, return_to: '/account', username: 'admin', password: PASSWORD })
    expect(answer.status).to.equal(303)
    expect((await browser.get('/account')).status).to.equal(200)
    expect((await inside()).status).to.equal(303)
  })

  it('answers the same to a wrong password and to an unknown user', async () => {
    const wrong = await signIn(site.browser(), { password: 'wrong password' })
    const unknown = await signIn(site.browser(), { username: 'nobody', password: 'wrong password' })
    const comparable = (html: string) => html.replace(/value="[^"]*"/g, '')
    expect(wrong.status).to.equal(403)
    expect(unknown.status).to.equal(wrong.status)
    expect(comparable(unknown.text)).to.equal(comparable(wrong.text))
    expect(wrong.text).to.contain('The user name or the password is not right.')
  })

  it('keeps what was typed as user name, escaped, and never the password', async () => {
    const answer = await signIn(site.browser(), {
      username: '"><script>alert(1)</script>',
      password: 'my wrong password',
    })
    expect(answer.text).to.not.contain('<script')
    expect(answer.text).to.contain('&#34;&gt;&lt;script&gt;')
    expect(answer.text).to.not.contain('my wrong password')
  })

  it('takes the user name in any case', async () => {
    expect((await signIn(site.browser(), { username: ' ADMIN ' })).status).to.equal(303)
  })

  it('takes no password longer than any password is', async () => {
    const answer = await signIn(site.browser(), { password: `${PASSWORD}${'x'.repeat(20_000)}` })
    expect(answer.status).to.equal(403)
  })

  it('describes the field that has the focus by what is wrong: who hears the page is told nothing else', async () => {
    const wrong = await signIn(site.browser(), { password: 'wrong password' })
    expect(focused(wrong.text)).to.match(/ id="password".* aria-describedby="problem"/)
    expect(wrong.text).to.match(/<p [^>]*id="problem">The user name or the password/)
    const nobody = await signIn(site.browser(), { username: '' })
    expect(focused(nobody.text)).to.match(/ id="username".* aria-describedby="problem"/)
    const { text } = await site.browser().get('/login')
    expect(focused(text)).to.contain('id="username"').and.not.contain('aria-describedby')
  })

  it('sends whoever is signed in on their way', async () => {
    const browser = site.browser()
    await signIn(browser)
    const answer = await browser.get('/login?return_to=/device')
    expect(answer.headers.location).to.equal('/device')
  })

  it('asks again when it has to be certain', async () => {
    const browser = site.browser()
    await signIn(browser)
    const answer = await browser.get('/login?return_to=/device&reauthenticate=1')
    expect(answer.status).to.equal(200)
    expect(answer.text).to.contain('value="admin"')
  })

  describe('cross-site request forgery (RFC 6749 section 10.12)', () => {
    const refused: [title: string, fields: object, headers: Record<string, string>][] = [
      ['without a token', { csrf_token: '' }, {}],
      ['with the token of another browser', { csrf_token: 'A'.repeat(43) }, {}],
      ['with several tokens', { csrf_token: ['a', 'b'] }, {}],
      ['from another origin', {}, { Origin: 'https://evil.example' }],
      ['from an opaque origin', {}, { Origin: 'null' }],
      ['from another site', {}, { 'Sec-Fetch-Site': 'cross-site' }],
      ['from another origin of this site', {}, { 'Sec-Fetch-Site': 'same-site' }],
      ['from nowhere', {}, { 'Sec-Fetch-Site': 'none' }],
    ]
    for (const [title, fields, headers] of refused) {
      it(`refuses a form ${title}, and signs nobody in`, async () => {
        const browser = site.browser()
        const answer = await signIn(browser, fields as Record<string, string>, headers)
        expect(answer.status).to.equal(403)
        expect((await browser.get('/account')).headers.location).to.match(/^\/login/)
      })
    }

    it('takes what browsers send for our own forms', async () => {
      const own: Record<string, string>[] = [
        { Origin: site.issuer, 'Sec-Fetch-Site': 'same-origin' },
        { Origin: site.issuer }, // Safari before 16.4
        { Origin: 'null', 'Sec-Fetch-Site': 'same-origin' }, // set up to send no Referer
      ]
      for (const headers of own) {
        expect((await signIn(site.browser(), {}, headers)).status).to.equal(303)
      }
    })

    it('gives a fresh form to whom the token has run out, and that one works', async () => {
      const browser = site.browser()
      const answer = await signIn(browser, { csrf_token: 'old' })
      expect(answer.text).to.contain('open for too long')
      const again = await browser
        .post('/login')
        .type('form')
        .send({
          csrf_token: field(answer.text, 'csrf_token'),
          return_to: field(answer.text, 'return_to'),
          username: 'admin',
          password: PASSWORD,
        })
      expect(again.status).to.equal(303)
    })

    it('lets an old form of a browser that is signed in meanwhile go on, but confirms nothing', async () => {
      const browser = site.browser()
      const old = field((await browser.get('/login')).text, 'csrf_token')
      await signIn(browser)
      const form = { csrf_token: old, return_to: '/device', username: 'admin', password: 'x' }
      const plain = await browser.post('/login').type('form').send(form)
      expect(plain.headers.location).to.equal('/device')
      const confirm = await browser
        .post('/login')
        .type('form')
        .send({ ...form, reauthenticate: '1' })
      expect(confirm.status).to.equal(403)
    })

    it('says so when the browser came by another name', async () => {
      const answer = await signIn(site.browser(), {}, { Origin: 'https://127.0.0.1:1' })
      expect(answer.text).to.contain(site.issuer).and.contain('127.0.0.1:1')
    })
  })

  describe('header fields', () => {
    it('forbid frames, scripts, referrers to others and caches on every page', async () => {
      const browser = site.browser()
      const pages = [
        await browser.get('/login'),
        await browser.get('/nothing-here'),
        await browser.get('/authorize?client_id=unknown'),
        await signIn(browser, { password: 'wrong password' }),
        await browser.post('/login').type('form').send('a=%zz'),
      ]
      for (const page of pages) {
        const policy = page.headers['content-security-policy']
        expect(page.headers['content-type'], page.text).to.match(/^text\/html/)
        expect(policy).to.contain("frame-ancestors 'none'").and.contain("default-src 'none'")
        expect(policy).to.contain("base-uri 'none'").and.not.contain('unsafe')
        expect(page.headers['x-frame-options']).to.equal('DENY')
        expect(page.headers['referrer-policy']).to.equal('same-origin')
        expect(page.headers['x-content-type-options']).to.equal('nosniff')
        expect(page.headers['cache-control']).to.equal('no-store')
        expect(page.headers).to.not.have.property('x-powered-by')
      }
    })

    it('let the form lead to the redirect of a validated request, and to no other', async () => {
      const browser = site.browser()
      const start = await browser.get(authorizePath())
      const page = await browser.get(String(start.headers.location))
      expect(page.headers['content-security-policy']).to.contain(
        "form-action 'self' http://127.0.0.1:49152;",
      )
      const forged = await browser.get(
        `/login?return_to=${encodeURIComponent(authorizePath({ redirect_uri: 'https://evil.example/' }))}`,
      )
      expect(forged.headers['content-security-policy']).to.contain("form-action 'self';")
    })

    it('do not force HTTPS upon everything else on localhost', async () => {
      const page = await site.browser().get('/login')
      expect(page.headers).to.not.have.property('strict-transport-security')
    })
  })

  it('loads nothing from anywhere else and needs no script', async () => {
    const page = await site.browser().get('/login')
    expect(page.text)
      .to.not.match(/<script/i)
      .and.not.match(/(?:src|href)="(?:https?:)?\/\//)
    const sheet = /href="(\/[^"]+\.css)"/.exec(page.text)?.[1] ?? ''
    const css = await site.browser().get(sheet)
    expect(css.status).to.equal(200)
    expect(css.headers['content-type']).to.match(/^text\/css/)
    expect(css.headers['cache-control']).to.contain('immutable')
  })

  it('explains itself to whoever came by another name', async () => {
    const page = await site.browser().get('/login').set('Host', 'localhost:1')
    expect(page.status).to.equal(421)
    expect(page.text).to.contain(`href="${site.issuer}/login"`)
  })
})

describe('returnTo (RFC 9700 section 4.11.1)', () => {
  const kept = [
    '/account',
    '/account?done=revoked',
    '/device?user_code=WDJB-MJHT',
    '/authorize/continue?request=a.b~c',
  ]
  for (const path of kept) it(`keeps ${path}`, () => expect(returnTo(path)).to.equal(path))

  const replaced: unknown[] = [
    undefined,
    ['/account'],
    '',
    'account',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '/authorize//evil.example',
    '/authorize/\\evil.example',
    '/accountevil',
    '/login',
    '/files/secret',
    '/account\r\nSet-Cookie: a=b',
    '/account\t',
    ' /account',
    '/account#x',
    '/account?"',
    `/account?${'x'.repeat(20_000)}`,
  ]
  for (const path of replaced) {
    it(`leads home instead of to ${JSON.stringify(path)?.slice(0, 60)}`, () =>
      expect(returnTo(path)).to.equal('/account'))
  }
})
