import { expect } from 'chai'
import { WEB_URI } from './support/clients.js'
import { expectError, expectPage, expectRedirect } from './support/expect.js'
import { type Answer, json } from './support/http.js'
import { row } from './support/row.js'
import type { Changes, Suite } from './support/suite.js'
import { UNFINISHED_REQUESTS } from './support/target.js'
import { basic, claims, success, unique } from './support/values.js'

async function push(suite: Suite, changes: Changes = {}): Promise<Answer> {
  return suite.http.post(
    await suite.endpoint('pushed_authorization_request'),
    suite.baseline(changes),
  )
}

/** A(client_id, request_uri) and nothing else. */
async function pushed(suite: Suite, changes: Changes = {}): Promise<Changes> {
  const answer = await push(suite, changes)
  expect(answer.status, answer.body).to.equal(201)
  const nothing = Object.fromEntries(Object.keys(suite.baseline()).map((name) => [name, undefined]))
  const { client_id } = suite.baseline(changes)
  return { ...nothing, client_id, request_uri: String(json(answer).request_uri) }
}

describe('RFC 9126: pushed authorization requests', () => {
  row(
    'rfc9126-2.1-1',
    'M',
    'authenticates the client as the token endpoint does',
    async (suite) => {
      const url = await suite.endpoint('pushed_authorization_request')
      const { client_id } = suite.client('web')
      const form = suite.baseline({ client_id, redirect_uri: WEB_URI })
      expectError(await suite.http.post(url, form), 401, 'invalid_client')
      expectError(
        await suite.http.post(url, form, { authorization: basic(client_id, unique()) }),
        401,
        'invalid_client',
      )
      expect((await suite.http.post(url, form, suite.basic('web'))).status).to.equal(201)
      expect((await push(suite, { client_id: undefined })).status).to.be.oneOf([400, 401])
    },
    { clients: ['fuse', 'web'] },
  )

  row('rfc9126-2.1-2', 'M', 'refuses a request_uri inside', async (suite) => {
    expectError(
      await push(suite, { request_uri: 'urn:ietf:params:oauth:request_uri:x' }),
      400,
      'invalid_request',
    )
  })

  row('rfc9126-2.1-3', 'M', 'checks everything when it is pushed', async (suite) => {
    for (const [changes, error] of [
      [{ redirect_uri: 'https://evil.test/cb' }, 'invalid_request'],
      [{ scope: 'admin' }, 'invalid_scope'],
      [{ code_challenge: 'x' }, 'invalid_request'],
      [{ response_type: 'token' }, 'unsupported_response_type'],
    ] as const) {
      expectError(await push(suite, changes), 400, error)
    }
  })

  row('rfc9126-2.2-1', 'M', 'answers 201 with an unguessable request_uri', async (suite) => {
    const answer = await push(suite)
    expect(answer.status).to.equal(201)
    expect(answer.headers['cache-control']).to.include('no-store')
    const { request_uri, expires_in } = json(answer)
    expect(request_uri).to.match(/^urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{22,}$/)
    expect(expires_in).to.be.a('number').above(0)
    expect((await suite.allowed(await pushed(suite))).searchParams.get('code')).to.be.a('string')
  })

  row(
    'rfc9126-2.2-3',
    'M',
    'binds the request_uri to its client',
    async (suite) => {
      const { client_id } = suite.client('several')
      expectPage(await suite.asked({ ...(await pushed(suite)), client_id }))
    },
    { clients: ['fuse', 'several'] },
  )

  row('rfc9126-2.3-1', 'P', 'answers 405, 413 and 429 where they belong', async (suite) => {
    const url = await suite.endpoint('pushed_authorization_request')
    expect((await suite.http.get(url)).status).to.equal(405)
    expect((await suite.http.post(url, `x=${'a'.repeat(1_000_000)}`)).status).to.equal(413)
    if (suite.target.inside === undefined) return
    const flood = suite.newBrowser('127.0.0.78')
    const send = () => flood.post(url, suite.baseline())
    const statuses: number[] = []
    while (statuses.length < UNFINISHED_REQUESTS + 100) {
      const answers = await Promise.all(Array.from({ length: 50 }, send))
      statuses.push(...answers.map(({ status }) => status))
    }
    const taken = statuses.filter((status) => status === 201)
    expect(taken).to.have.length(UNFINISHED_REQUESTS)
    expect(new Set(statuses)).to.deep.equal(new Set([201, 429]))
    const refused = await send()
    expectError(refused, 429, 'temporarily_unavailable')
    expect(Number(refused.headers['retry-after'])).to.be.within(1, 300)
    expect((await push(suite)).status).to.equal(201)
  })

  row(
    'rfc9126-4-1',
    'S',
    'spends a request_uri when the code is issued, not when the page is reloaded',
    async (suite) => {
      const request = await pushed(suite)
      const browser = await suite.signedIn()
      const first = await suite.asked(request, browser)
      const second = await suite.asked(request, browser)
      expect((await suite.decide(browser, first)).searchParams.get('code')).to.be.a('string')
      expectRedirect(await suite.decide(browser, second), 'invalid_request_uri')
      expectPage(await suite.asked(request, browser))
    },
  )

  row(
    'rfc9126-4-2',
    'M',
    'refuses an expired request_uri',
    async (suite) => {
      const request = await pushed(suite)
      suite.inside.passTime(61)
      expectPage(await suite.asked(request))
    },
    { inside: true },
  )

  row(
    'rfc9126-4-3',
    'P',
    'enforces PAR where the registration demands it',
    async (suite) => {
      const { client_id } = suite.client('pushed')
      const changes = { client_id, redirect_uri: WEB_URI }
      expectRedirect(await suite.asked(changes), 'invalid_request')
      const url = await suite.endpoint('pushed_authorization_request')
      const answer = await suite.http.post(url, suite.baseline(changes), suite.basic('pushed'))
      const nothing = Object.fromEntries(
        Object.keys(suite.baseline()).map((name) => [name, undefined]),
      )
      const request_uri = String(json(answer).request_uri)
      expect(
        (await suite.allowed({ ...nothing, client_id, request_uri })).searchParams.get('code'),
      ).to.be.a('string')
      const metadata: Record<string, unknown> = await suite.metadata()
      expect(metadata.require_pushed_authorization_requests).to.equal(false)
    },
    { clients: ['pushed'] },
  )

  row('rfc9126-4-4', 'M', 'lets nothing in the browser override what was pushed', async (suite) => {
    const request = {
      ...(await pushed(suite)),
      scope: 'file.read file.write',
      state: 'other',
      // not pushed at all: it would be answered with consent_required
      prompt: 'none',
    }
    const to = await suite.allowed(request)
    expect(to.searchParams.get('state')).to.equal('af0ifjsldkj')
    const { access_token } = success(await suite.redeem(to.searchParams.get('code') ?? ''))
    expect(claims(access_token).scope).to.equal('file.read')
  })

  row('rfc9126-7.2-1', 'M', 'takes no new redirect_uri by a push', async (suite) => {
    expectError(
      await push(suite, { redirect_uri: 'http://127.0.0.1:1/other' }),
      400,
      'invalid_request',
    )
  })
})
