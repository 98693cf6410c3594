import { expect } from 'chai'
import { DEVICE_GRANT } from './support/clients.js'
import { expectError, expectRefused } from './support/expect.js'
import { type Answer, type Form, formsOf, type Http, json } from './support/http.js'
import { row } from './support/row.js'
import type { Changes, Suite } from './support/suite.js'
import { success, unique } from './support/values.js'

interface Device {
  readonly device_code: string
  readonly user_code: string
  readonly verification_uri: string
  readonly verification_uri_complete: string
  readonly expires_in: number
  readonly interval?: number
}

async function start(suite: Suite, changes: Changes = {}): Promise<Device> {
  const { client_id } = suite.client('fuse')
  const url = await suite.endpoint('device_authorization')
  const answer = await suite.http.post(url, { client_id, scope: 'file.read', ...changes })
  expect(answer.status, answer.body).to.equal(200)
  return json(answer) as unknown as Device
}

function poll(suite: Suite, device_code: string, changes: Changes = {}): Promise<Answer> {
  const { client_id } = suite.client('fuse')
  return suite.token({ grant_type: DEVICE_GRANT, client_id, device_code, ...changes })
}

/** Enters the code on the page; the page that follows. */
async function enter(suite: Suite, browser: Http, user_code: string): Promise<Answer> {
  const page = await browser.follow(await browser.get(`${suite.target.issuer}/device`))
  const form = formsOf(page).find(({ text }) => text === 'user_code')
  if (form === undefined) throw new Error(`no form for the user code: ${page.status}`)
  form.fields.set('user_code', user_code)
  return browser.submit(form)
}

async function decide(
  suite: Suite,
  browser: Http,
  page: Answer,
  decision: 'allow' | 'deny',
): Promise<Answer> {
  const form = suite.consentForm(page)
  form.fields.set('decision', decision)
  return browser.submit(form)
}

async function approve(suite: Suite, user_code: string): Promise<void> {
  const browser = await suite.signedIn()
  const end = await decide(suite, browser, await enter(suite, browser, user_code), 'allow')
  expect(end.status).to.equal(200)
}

describe('RFC 8628: device grant', () => {
  row(
    'rfc8628-3.1-1',
    'M',
    'wants a client, authenticated if it is confidential',
    async (suite) => {
      const url = await suite.endpoint('device_authorization')
      expectRefused(await suite.http.post(url, { scope: 'file.read' }))
      const { client_id } = suite.client('web')
      expectError(
        await suite.http.post(url, { client_id, scope: 'file.read' }),
        401,
        'invalid_client',
      )
      expect((await suite.http.get(url)).status).to.equal(405)
    },
    { clients: ['web'] },
  )

  row('rfc8628-3.2-1', 'M', 'answers with what the device needs', async (suite) => {
    const device = await start(suite)
    const { client_id } = suite.client('fuse')
    const url = await suite.endpoint('device_authorization')
    const { headers } = await suite.http.post(url, { client_id, scope: 'file.read' })
    expect(headers['cache-control']).to.include('no-store')
    expect(headers['content-type']).to.match(/^application\/json/)
    expect(device.expires_in).to.be.within(1, 1800)
    // Five seconds where it is missing.
    const { interval = 5 } = device
    expect(interval).to.be.at.least(1)
    expect(device.device_code).to.match(/^[A-Za-z0-9_-]{27,}$/)
    expect(device.user_code).to.match(/^[A-Z]{4}-[A-Z]{4}$/)
    expect(device.verification_uri).to.match(/^https:/)
    expect(Number.isInteger(interval) && Number.isInteger(device.expires_in)).to.equal(true)
    const metadata: Record<string, unknown> = await suite.metadata()
    expect(metadata.grant_types_supported).to.include(DEVICE_GRANT)
  })

  row('rfc8628-3.3-1', 'M', 'takes the user code at the verification_uri', async (suite) => {
    const browser = await suite.signedIn()
    const { verification_uri } = await start(suite)
    const page = await browser.follow(await browser.get(verification_uri))
    expect(formsOf(page).some(({ text }) => text === 'user_code')).to.equal(true)
  })

  row(
    'rfc8628-3.3.1-1',
    'S',
    'shows the code of verification_uri_complete and waits for a click',
    async (suite) => {
      const browser = await suite.signedIn()
      const { verification_uri_complete, user_code, device_code } = await start(suite)
      const page = await browser.follow(await browser.get(verification_uri_complete))
      expect(page.status).to.equal(200)
      expect(page.body).to.include(user_code)
      expectError(await poll(suite, device_code), 400, 'authorization_pending')
      const form = formsOf(page).find(({ text }) => text === 'user_code')
      if (form === undefined) throw new Error('no form for the user code')
      const consent = await browser.submit(form)
      expect(consent.body).to.include(user_code).and.include('Conformance native')
      suite.consentForm(consent)
      expectError(await poll(suite, device_code), 400, 'slow_down')
    },
  )

  row(
    'rfc8628-3.5-1',
    'M',
    'answers authorization_pending until the user decides',
    async (suite) => {
      expectError(await poll(suite, (await start(suite)).device_code), 400, 'authorization_pending')
    },
  )

  row(
    'rfc8628-3.5-2',
    'M',
    'slows a hasty device down, for good',
    async (suite) => {
      const { device_code } = await start(suite)
      expectError(await poll(suite, device_code), 400, 'authorization_pending')
      expectError(await poll(suite, device_code), 400, 'slow_down')
      suite.inside.passTime(6)
      expectError(await poll(suite, device_code), 400, 'slow_down')
      suite.inside.passTime(16)
      expectError(await poll(suite, device_code), 400, 'authorization_pending')
    },
    { inside: true },
  )

  row('rfc8628-3.5-3', 'M', 'answers access_denied when the user denied', async (suite) => {
    const { device_code, user_code } = await start(suite)
    const browser = await suite.signedIn()
    await decide(suite, browser, await enter(suite, browser, user_code), 'deny')
    expectError(await poll(suite, device_code), 400, 'access_denied')
  })

  row(
    'rfc8628-3.5-4',
    'M',
    'answers expired_token when time is up',
    async (suite) => {
      const { device_code, expires_in } = await start(suite)
      suite.inside.passTime(expires_in + 1)
      expectError(await poll(suite, device_code), 400, 'expired_token')
    },
    { inside: true },
  )

  row(
    'rfc8628-3.5-5',
    'M',
    'gives tokens once, to the client that asked',
    async (suite) => {
      const { device_code, user_code } = await start(suite)
      await approve(suite, user_code)
      const { client_id } = suite.client('several')
      expectError(await poll(suite, device_code, { client_id }), 400, 'invalid_grant')
      const answers = await Promise.all(Array.from({ length: 50 }, () => poll(suite, device_code)))
      const winners = answers.filter(({ status }) => status === 200)
      expect(winners).to.have.length(1)
      const { access_token, refresh_token } = success(winners[0] as Answer)
      expect((await suite.read(access_token)).status).to.equal(200)
      success(await suite.refresh(refresh_token))
      expectError(await poll(suite, device_code), 400, 'invalid_grant')
    },
    { clients: ['fuse', 'several'] },
  )

  row(
    'rfc8628-5.1-1',
    'S',
    'blocks who guesses user codes',
    async (suite) => {
      const [, second] = suite.target.users
      const browser = await suite.login(second)
      const { user_code } = await start(suite)
      const before = suite.inside.audited('device.code').length
      const guesses = Array.from({ length: 40 }, () => enter(suite, browser, 'BBBB-BBBB'))
      for (const page of await Promise.all(guesses)) {
        expect(formsOf(page).some(({ text }) => text === 'user_code')).to.equal(true)
      }
      // However many come at once, five are looked at.
      expect(suite.inside.audited('device.code').length - before).to.equal(5)
      const isBlocked = async (visitor: Http): Promise<boolean> =>
        formsOf(await enter(suite, visitor, user_code)).some(({ text }) => text === 'user_code')
      expect(await isBlocked(browser)).to.equal(true)
      const [first] = suite.target.users
      const there = '127.0.0.79'
      expect(await isBlocked(await suite.login(first)), 'the address').to.equal(true)
      const elsewhere = await suite.login(second, suite.newBrowser(there))
      expect(await isBlocked(elsewhere), 'the account').to.equal(true)
      expect(await isBlocked(await suite.login(first, suite.newBrowser(there)))).to.equal(false)
      suite.inside.passTime(601)
      const later = await start(suite)

      for (let n = 0; n < 7; n++) {
        const page = await enter(suite, browser, later.user_code)
        expect(
          formsOf(page).some(({ text }) => text === 'user_code'),
          'a right code is no guess',
        ).to.equal(false)
      }
    },
    { inside: true },
  )

  row('rfc8628-5.4-1', 'S', 'tells the user what asks, from where, for what', async (suite) => {
    const { user_code } = await start(suite)
    const page = await enter(suite, await suite.signedIn(), user_code)
    const text = page.body.replace(/<[^>]*>/g, ' ')
    for (const shown of [user_code, 'Conformance native', '127.0.0.1'])
      expect(text).to.include(shown)
    const scopes = ({ boxes }: Form) => boxes.map(([, value]) => value)
    expect(scopes(suite.consentForm(page))).to.deep.equal(['file.read'])
    expect(text)
      .to.match(/\bread\b/i)
      .and.to.not.match(/\bchange\b/i)
    const more = await start(suite, { scope: 'file.read file.write offline_access' })
    const wider = await enter(suite, await suite.signedIn(), more.user_code)
    expect(scopes(suite.consentForm(wider))).to.have.members([
      'file.read',
      'file.write',
      'offline_access',
    ])
    expect(wider.body.replace(/<[^>]*>/g, ' ')).to.match(/\bchange\b/i)
    expect(text).to.match(/only if|did not start|started this/i)
  })

  row('rfc8628-6.1-1', 'S', 'takes the code in any case and punctuation', async (suite) => {
    const { user_code } = await start(suite)
    const typed = user_code.toLowerCase().replace('-', ' ')
    const page = await enter(suite, await suite.signedIn(), ` ${typed}. `)
    expect(page.body).to.include(user_code)
  })

  row(
    'rfc8628-b-1',
    'B',
    'binds the approval to the session that entered the code',
    async (suite) => {
      const { user_code, device_code } = await start(suite)
      const form = suite.consentForm(await enter(suite, await suite.signedIn(), user_code))
      form.fields.set('decision', 'allow')
      const other = await suite.login()
      const csrf =
        formsOf(await other.get(`${suite.target.issuer}/device`))[0]?.fields.get('csrf_token') ?? ''
      const stolen = new URLSearchParams(form.fields)
      stolen.set('csrf_token', csrf)
      expect((await other.submit({ ...form, fields: stolen })).status).to.equal(403)
      const forged = new URLSearchParams(form.fields)
      forged.set('csrf_token', unique())
      expect((await (await suite.signedIn()).submit({ ...form, fields: forged })).status).to.equal(
        403,
      )
      expectError(await poll(suite, device_code), 400, 'authorization_pending')
    },
  )
})
