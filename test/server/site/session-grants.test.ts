import { createHash } from 'node:crypto'
import { expect } from 'chai'
import supertest from 'supertest'
import { newPassword, username } from '../../../server/accounts/accounts.js'
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import { authorizePath, beside, field, type Running, signIn, startSite } from '../running.js'

const VERIFIER = 'v'.repeat(43)
const OTHER = { username: 'maria', password: 'a password of maria' }

describe('access that ends when its user signs out', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let site: Running
  let now: number
  beforeEach(async () => {
    now = Date.now()
    site = await startSite({ clock: () => new Date(now) })
  })
  afterEach(() => site.remove())

  type Browser = ReturnType<Running['browser']>

  /** An access token that was allowed in this browser, without offline_access. */
  async function allowed(browser: Browser): Promise<string> {
    const code_challenge = createHash('sha256').update(VERIFIER).digest('base64url')
    const page = await browser.get(authorizePath({ scope: 'file.read', code_challenge }))
    const answer = await browser
      .post('/authorize/decision')
      .type('form')
      .send({
        csrf_token: field(page.text, 'csrf_token'),
        request: field(page.text, 'request'),
        scope: 'file.read',
        decision: 'allow',
      })
    const code = new URL(String(answer.headers.location)).searchParams.get('code')
    const form = { grant_type: 'authorization_code', client_id: 'coffer', code }
    const redirect_uri = 'http://127.0.0.1:49152/callback'
    const tokens = await browser
      .post('/token')
      .type('form')
      .send({ ...form, redirect_uri, code_verifier: VERIFIER })
    return tokens.body.access_token
  }

  async function statusOf(access_token: string): Promise<number> {
    const program = supertest.agent(site.issuer, { ca: site.ca })
    return (await program.get('/files/').set('Authorization', `Bearer ${access_token}`)).status
  }

  /** Where somebody is signed in, an application has the password asked for again. */
  async function again(browser: Browser, fields: Record<string, string> = {}): Promise<void> {
    const page = await browser.get('/login?reauthenticate=1')
    const form = { csrf_token: field(page.text, 'csrf_token'), return_to: '/account' }
    const whole = { ...form, reauthenticate: '1', username: 'admin', ...fields }
    const answer = await browser
      .post('/login')
      .type('form')
      .send({ password: 'correct horse battery 9', ...whole })
    expect(answer.status).to.equal(303)
  }

  async function signOut(browser: Browser): Promise<void> {
    const page = await browser.get('/logout')
    const fields = ['csrf_token', 'request'].map((name) => [name, field(page.text, name)])
    const form = { ...Object.fromEntries(fields), decision: 'allow' }
    expect((await browser.post('/logout/decision').type('form').send(form)).status).to.equal(200)
  }

  it('says in each browser when that is, also once the session has run out in which it was allowed', async () => {
    const [browser, other] = [site.browser(), site.browser()]
    await signIn(browser)
    await signIn(other)
    await allowed(browser)
    const says = async (by: Browser) =>
      /reads your files, ([^<]*?)\s*</.exec((await by.get('/account')).text)?.[1]
    expect(await says(browser)).to.equal('ends when you sign out')
    const elsewhere = 'ends when you sign out in the browser in which it was allowed'
    expect(await says(other)).to.equal(elsewhere)
    now += 25 * 3_600_000
    const later = site.browser()
    await signIn(later)
    expect(await says(later)).to.equal('ends when it was not used for 30 days')
  })

  it('ends then, too, if the password was asked for again meanwhile', async () => {
    const browser = site.browser()
    await signIn(browser)
    const token = await allowed(browser)
    await again(browser)
    expect(await statusOf(token)).to.equal(200)
    await signOut(browser)
    expect(await statusOf(token)).to.equal(401)
  })

  it('ends when somebody else signs in instead', async () => {
    await beside(site, async ({ accounts }) => {
      const [name, password] = [username(OTHER.username), newPassword(OTHER.password)]
      await accounts.add({ username: name, password, temporaryPassword: false })
    })
    const browser = site.browser()
    await signIn(browser)
    const token = await allowed(browser)
    await again(browser, OTHER)
    expect(await statusOf(token)).to.equal(401)
    await beside(site, async ({ accounts, audit }) => {
      const { event, subject, detail } = audit.query({ limit: 1 })[0] ?? {}
      const { id } = accounts.find(username('admin')) ?? {}
      const ended = '1 grants ended, as somebody else signed in'
      expect([event, subject, detail]).to.deep.equal(['logout', id, ended])
    })
  })
})
