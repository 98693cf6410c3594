import { expect } from 'chai'
import supertest from 'supertest'
import { registerClient } from '../../../oauth/index.js'
import { newPassword, username } from '../../../server/accounts/accounts.js'
import { RESOURCE_SCOPES } from '../../../server/scopes.js'
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import {
  authorizePath,
  beside,
  field,
  PASSWORD,
  type Running,
  signIn,
  startSite,
} from '../running.js'

const OTHER = { username: 'maria', password: 'a password of maria' }

describe('/account', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let site: Running
  beforeEach(async () => {
    site = await startSite()
  })
  afterEach(() => site.remove())

  const addOther = () =>
    beside(site, async ({ accounts }) => {
      await accounts.add({
        username: username(OTHER.username),
        password: newPassword(OTHER.password),
        temporaryPassword: true,
      })
    })

  async function statusOf(access_token: string): Promise<number> {
    const answer = await supertest
      .agent(site.issuer, { ca: site.ca })
      .get('/files/')
      .set('Authorization', `Bearer ${access_token}`)
    return answer.status
  }
  async function signedIn(fields: Record<string, string> = {}) {
    const browser = site.browser()
    expect((await signIn(browser, fields)).status).to.equal(303)
    const page = async () => (await browser.get('/account')).text
    const submit = async (path: string, more: Record<string, string> = {}) =>
      browser
        .post(path)
        .type('form')
        .send({ csrf_token: field(await page(), 'csrf_token'), ...more })
    return { browser, page, submit }
  }
  const changed = {
    current_password: PASSWORD,
    new_password: 'another password 1',
    repeated_password: 'another password 1',
  }

  it('sends whoever is not signed in to the login page and back', async () => {
    const answer = await site.browser().get('/account')
    expect(answer.status).to.equal(303)
    expect(answer.headers.location).to.equal('/login?return_to=/account')
  })

  it('lists what has access, with when and from where it was last used', async () => {
    await site.tokens()
    const { page } = await signedIn()
    expect(await page())
      .to.contain('Coffer mount')
      .and.contain('reads and changes your files, stays signed in')
      .and.match(/Last used <time[^>]*>just now<\/time> from (::ffff:)?127\.0\.0\.1/)
  })

  it('says of what uses its token again and again that it was used just now', async () => {
    let now = new Date()
    const moving = await startSite({ clock: () => now })
    const { access_token } = await moving.tokens()
    now = new Date(now.getTime() + 10 * 60_000)
    const browser = moving.browser()
    await signIn(browser)
    const lastUsed = async () => {
      const { text } = await browser.get('/account')
      const found = /Coffer mount[\s\S]*?Last used <time[^>]*>([^<]*)<\/time> from (\S*)/.exec(text)
      return found?.slice(1)
    }
    expect(await lastUsed()).to.deep.equal(['10 minutes ago', '127.0.0.1'])
    await supertest
      .agent(moving.issuer, { ca: moving.ca })
      .get('/files/')
      .set('Authorization', `Bearer ${access_token}`)
    const used = await lastUsed()
    await moving.remove()
    expect(used).to.deep.equal(['just now', '127.0.0.1'])
  })

  const forwarded: [trusted: string, address: string][] = [
    ['', '127.0.0.1'],
    ['loopback', '198.51.100.7'],
  ]
  for (const [trusted, address] of forwarded) {
    it(`says that files were used from ${address} where "${trusted}" is trusted as a proxy`, async () => {
      const behind = await startSite({ environment: { COFFER_TRUST_PROXY: trusted } })
      const { access_token } = await behind.tokens()
      const { status } = await supertest
        .agent(behind.issuer, { ca: behind.ca })
        .get('/files/')
        .set('X-Forwarded-For', '192.0.2.1, 198.51.100.7')
        .set('Authorization', `Bearer ${access_token}`)
      const browser = behind.browser()
      await signIn(browser)
      const { text } = await browser.get('/account')
      await behind.remove()
      expect(status).to.equal(200)
      const used = /Coffer mount[\s\S]*?Last used <time[^>]*>[^<]*<\/time> from (\S*)/.exec(text)
      expect(used?.[1]).to.equal(address)
    })
  }

  it('writes IPv4 addresses as people know them on a socket of both families', async () => {
    const both = await startSite({ environment: { COFFER_HOST: '::' } })
    await both.tokens('admin', PASSWORD)
    const browser = both.browser()
    await signIn(browser)
    const { text } = await browser.get('/account')
    await both.remove()
    expect(text)
      .to.match(/from (127\.0\.0\.1|::1)/)
      .and.not.contain('::ffff:')
  })

  it('takes one back: its next request is 401', async () => {
    const lost = await site.tokens()
    const { page, submit } = await signedIn()
    const grant = field(await page(), 'grant')
    const kept = await site.tokens()
    expect(await statusOf(lost.access_token)).to.equal(200)
    const answer = await submit('/account/revoke', { grant })
    expect(answer.headers.location).to.equal('/account?done=revoked')
    expect(await statusOf(lost.access_token)).to.equal(401)
    expect(await statusOf(kept.access_token)).to.equal(200)
    expect(await page()).to.not.contain(grant)
  })

  for (const path of ['/account/revoke', '/account/revoke-all']) {
    it(`makes an application ask again after ${path}`, async () => {
      const redirect_uri = 'https://rp.test/cb'
      let client_id = ''
      await beside(site, async ({ store, accounts }) => {
        const registry = { store, accounts, scopes: RESOURCE_SCOPES, clock: () => new Date() }
        const metadata = { client_name: 'Photos', redirect_uris: [redirect_uri] }
        client_id = (await registerClient(registry, metadata)).client.client_id
      })
      const { browser, page, submit } = await signedIn()
      const authorize = () =>
        browser.get(authorizePath({ client_id, redirect_uri, scope: 'file.read' }))
      const { text } = await authorize()
      const [request, csrf_token] = [field(text, 'request'), field(text, 'csrf_token')]
      const form = { request, csrf_token, decision: 'allow', scope: 'file.read' }
      await browser.post('/authorize/decision').type('form').send(form)
      const remembered = await authorize()
      expect(remembered.headers.location).to.match(/^https:\/\/rp\.test\/cb\?code=/)
      await submit(path, { grant: field(await page(), 'grant') })
      expect((await authorize()).text).to.contain('Photos')
    })
  }

  it('takes back nothing of anybody else', async () => {
    await addOther()
    const tokens = await site.tokens(OTHER.username, OTHER.password)
    const theirs = field(await (await signedIn(OTHER)).page(), 'grant')
    const { submit } = await signedIn()
    await submit('/account/revoke', { grant: theirs })
    expect(await statusOf(tokens.access_token)).to.equal(200)
  })

  it('takes back all at once', async () => {
    const all = [await site.tokens(), await site.tokens()]
    const { submit, page } = await signedIn()
    await submit('/account/revoke-all')
    for (const { access_token } of all) expect(await statusOf(access_token)).to.equal(401)
    expect(await page()).to.contain('Nothing has access to your files')
  })

  it('signs out all other browsers', async () => {
    const other = await signedIn()
    const { browser, submit } = await signedIn()
    await submit('/account/sign-out-others')
    expect((await other.browser.get('/account')).status).to.equal(303)
    expect((await browser.get('/account')).status).to.equal(200)
  })

  it('changes the password, which signs out everything else', async () => {
    const tokens = await site.tokens()
    const other = await signedIn()
    const { browser, submit } = await signedIn()
    const answer = await submit('/account/password', changed)
    expect(answer.headers.location).to.equal('/account?done=password-changed')
    expect(await statusOf(tokens.access_token)).to.equal(401)
    expect((await other.browser.get('/account')).status).to.equal(303)
    const page = await browser.get('/account')
    expect(page.text).to.contain('Nothing has access').and.not.contain('all other browsers')
    expect((await signIn(site.browser())).status).to.equal(403)
    const { new_password } = changed
    expect((await signIn(site.browser(), { password: new_password })).status).to.equal(303)
  })

  it('has everything that people do here in the audit log', async () => {
    for (let n = 0; n < 3; n++) await site.tokens()
    const { browser, page, submit } = await signedIn()
    let before = 0
    await beside(site, async ({ audit }) => {
      before = audit.query({ limit: 1 })[0]?.number ?? 0
    })
    const grant = field(await page(), 'grant')
    await submit('/account/revoke', { grant })
    await submit('/account/revoke-all')
    await submit('/account/sign-out-others')
    await submit('/account/password', { ...changed, current_password: 'wrong wrong' })
    await submit('/account/password', changed)
    await signIn(site.browser())
    await signIn(site.browser(), { username: 'nobody' })
    const { text } = await browser.get('/logout')
    const form = { request: field(text, 'request'), csrf_token: field(text, 'csrf_token') }
    await browser
      .post('/logout/decision')
      .type('form')
      .send({ ...form, decision: 'allow' })
    await beside(site, async ({ audit, accounts }) => {
      const { id } = accounts.find(username('admin')) ?? {}
      const entries = audit.query({ limit: 100 }).filter(({ number }) => number > before)
      expect(
        entries.map(({ event, outcome, subject, detail = '' }) => [
          event,
          outcome,
          subject === id ? 'admin' : subject,
          detail,
        ]),
      ).to.deep.equal([
        ['grant.revoke', 'success', 'admin', `by the user; grant ${grant}`],
        ['grant.revoke', 'success', 'admin', 'all 2'],
        ['browser.signOutOthers', 'success', 'admin', '3'],
        ['password.change', 'failure', 'admin', ''],
        ['grant.revoke', 'success', 'admin', 'all 0'],
        ['password.change', 'success', 'admin', ''],
        ['login', 'failure', 'admin', ''],
        ['login', 'failure', undefined, 'unknown user name'],
        ['logout', 'success', 'admin', '0 grants ended'],
      ])
      expect(entries.every(({ address }) => /127\.0\.0\.1$/.test(address ?? ''))).to.equal(true)
    })
  })

  const refused: [title: string, fields: object, status: number, says: string][] = [
    [
      'the current one is wrong',
      { current_password: 'wrong wrong' },
      403,
      'current password is not',
    ],
    ['the new ones differ', { repeated_password: 'another password 2' }, 400, 'not the same'],
    [
      'the new one is short',
      { new_password: 'short', repeated_password: 'short' },
      400,
      '8 to 1024',
    ],
  ]
  for (const [title, fields, status, says] of refused) {
    it(`keeps the password when ${title}`, async () => {
      const tokens = await site.tokens()
      const { submit } = await signedIn()
      const answer = await submit('/account/password', { ...changed, ...fields })
      expect(answer.status).to.equal(status)
      expect(answer.text).to.contain(says)
      expect(await statusOf(tokens.access_token)).to.equal(200)
      expect((await signIn(site.browser())).status).to.equal(303)
    })
  }

  for (const path of ['revoke', 'revoke-all', 'sign-out-others', 'password']) {
    it(`does nothing at /account/${path} for a form that is not ours`, async () => {
      const tokens = await site.tokens()
      const { browser, page, submit } = await signedIn()
      const fields = { ...changed, grant: field(await page(), 'grant') }
      const forged = await submit(`/account/${path}`, { ...fields, csrf_token: 'x'.repeat(43) })
      const foreign = await browser
        .post(`/account/${path}`)
        .set('Sec-Fetch-Site', 'cross-site')
        .type('form')
        .send({ ...fields, csrf_token: field(await page(), 'csrf_token') })
      const anonymous = await site.browser().post(`/account/${path}`).type('form').send(fields)
      for (const answer of [forged, foreign, anonymous]) expect(answer.status).to.equal(403)
      expect(await statusOf(tokens.access_token)).to.equal(200)
    })
  }

  it('offers to change a password that somebody else chose', async () => {
    await addOther()
    const { page } = await signedIn(OTHER)
    expect(await page()).to.contain('Your password was chosen for you')
    const { page: own } = await signedIn()
    expect(await own()).to.not.contain('Your password was chosen for you')
  })

  it('says only what it was made to say', async () => {
    const { browser } = await signedIn()
    const answer = await browser.get('/account?done=%3Cscript%3E')
    expect(answer.text).to.not.contain('role="status"').and.not.contain('<script')
  })

  it('is closed, and tokens dead, at once when the account is disabled', async () => {
    await addOther()
    const tokens = await site.tokens()
    const { browser } = await signedIn()
    await beside(site, async ({ accounts }) => {
      accounts.disable(accounts.lookup('admin')?.id ?? '')
    })
    expect(await statusOf(tokens.access_token)).to.equal(401)
    expect((await browser.get('/account')).status).to.equal(303)
    expect((await signIn(site.browser())).status).to.equal(403)
    await beside(site, async ({ accounts }) => {
      accounts.enable(accounts.lookup('admin')?.id ?? '')
    })
    expect(await statusOf(tokens.access_token)).to.equal(401)
    expect((await browser.get('/account')).status).to.equal(303)
    expect((await signIn(site.browser())).status).to.equal(303)
  })
})

describe('a browser session', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  const HOUR = 3_600_000
  const cases: [title: string, steps: number[], lives: boolean][] = [
    ['lives while it is used', [7 * HOUR, 7 * HOUR, 7 * HOUR], true],
    ['ends when it is not used for long', [9 * HOUR], false],
    [
      'ends a day after the login, however much it is used',
      [7, 7, 7, 4].map((h) => h * HOUR),
      false,
    ],
  ]
  for (const [title, steps, lives] of cases) {
    it(title, async () => {
      let now = Date.now()
      const site = await startSite({ clock: () => new Date(now) })
      const browser = site.browser()
      await signIn(browser)
      let status = 0
      for (const step of steps) {
        now += step
        status = (await browser.get('/account')).status
      }
      await site.remove()
      expect(status).to.equal(lives ? 200 : 303)
    })
  }
})
