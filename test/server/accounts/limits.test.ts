import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import { expect } from 'chai'
import type { RequestHandler } from 'express'
import { type Limits, limits } from '../../../server/accounts/limits.js'
import {
  KEYS_IN_MEMORY,
  LimitStore,
  sweepLimits,
} from '../../../server/database/accounts/limits.js'
import { openDatabase } from '../../../server/database/database.js'
import { isDiskFull } from '../../../server/database/full-disk.js'
import { removeDirectory } from '../../support/directory.js'
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import { until } from '../../support/until.js'
import { authorizePath, field, type Running, signIn, startSite } from '../running.js'

const WRONG = { password: 'a wrong password' }

describe('failed logins', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let site: Running
  const start = async (more: object = {}) => {
    site = await startSite({
      environment: { COFFER_LOGIN_FAILURES: '3', COFFER_TRUST_PROXY: 'loopback' },
      ...more,
    })
  }
  beforeEach(() => start())
  afterEach(() => site.remove())

  const from = (address: string) => ({ 'X-Forwarded-For': address })
  const attempt = async (fields: Record<string, string>, address: string) =>
    signIn(site.browser(), fields, from(address))
  async function fail(times: number, address: string, fields: Record<string, string> = WRONG) {
    for (let count = 0; count < times; count++) {
      expect((await attempt(fields, address)).status).to.equal(403)
    }
  }

  it('of one address are limited, with the time to come back', async () => {
    await fail(3, '192.0.2.1')
    const answer = await attempt({}, '192.0.2.1')
    expect(answer.status).to.equal(429)
    expect(Number(answer.headers['retry-after'])).to.be.within(1, 900)
    expect(answer.text).to.match(/Too many failed attempts from your address: try again in/)
  })

  it('of one address are nothing to another', async () => {
    await fail(3, '192.0.2.1')
    expect((await attempt({}, '192.0.2.2')).status).to.equal(303)
  })

  it('count for the whole prefix of an IPv6 customer', async () => {
    await fail(3, '2001:db8:1:2::1')
    expect((await attempt({}, '2001:db8:1:3:ffff::9')).status).to.equal(429)
    expect((await attempt({}, '2001:db8:2::1')).status).to.equal(303)
  })

  it('do not include those that succeed', async () => {
    for (let count = 0; count < 5; count++) {
      expect((await attempt({}, '192.0.2.1')).status).to.equal(303)
    }
  })

  it('do not include forms that were too old', async () => {
    for (let count = 0; count < 5; count++) {
      expect((await attempt({ csrf_token: 'old' }, '192.0.2.1')).status).to.equal(403)
    }
    expect((await attempt({}, '192.0.2.1')).status).to.equal(303)
  })

  it('include guesses at the current password on the account page', async () => {
    const browser = site.browser()
    await signIn(browser, {}, from('192.0.2.1'))
    for (const status of [403, 403, 403, 429]) {
      const page = await browser.get('/account')
      const answer = await browser
        .post('/account/password')
        .set(from('192.0.2.1'))
        .type('form')
        .send({
          csrf_token: field(page.text, 'csrf_token'),
          current_password: 'a wrong password',
          new_password: 'another password',
          repeated_password: 'another password',
        })
      expect(answer.status).to.equal(status)
    }
  })

  it('of one account are limited, from however many addresses', async () => {
    for (let host = 1; host <= 12; host++) await fail(1, `192.0.2.${host}`)
    const answer = await attempt({}, '192.0.2.100')
    expect(answer.status).to.equal(429)
    expect(answer.text).to.contain('for this account')
    const other = await attempt({ username: 'nobody' }, '192.0.2.100')
    expect(other.status).to.equal(403)
  })

  it('of others do not lock out who was let in from there before', async () => {
    expect((await attempt({}, '192.0.2.100')).status).to.equal(303)
    for (let host = 1; host <= 12; host++) await fail(1, `192.0.2.${host}`)
    expect((await attempt({}, '192.0.2.101')).status).to.equal(429)
    expect((await attempt({}, '192.0.2.100')).status).to.equal(303)
  })

  it('are remembered when the server starts again', async () => {
    await fail(3, '192.0.2.1')
    const { data } = site
    await site.stop()
    await start({ data })
    expect((await attempt({}, '192.0.2.1')).status).to.equal(429)
  })

  it('are in the audit log, without what was typed', async () => {
    await fail(1, '192.0.2.1')
    await fail(1, '192.0.2.1', { username: 'hunter2', password: 'x' })
    await site.stop()
    const database = openDatabase(`${site.data}/coffer.db`)
    const rows = database.prepare('SELECT * FROM audit').all() as Record<string, unknown>[]
    database.close()
    const logins = rows.filter(({ event }) => event === 'login')
    expect(logins.map(({ outcome }) => outcome)).to.deep.equal(['failure', 'failure'])
    expect(logins.map(({ address }) => address)).to.deep.equal(['192.0.2.1', '192.0.2.1'])
    expect(JSON.stringify(rows)).to.not.contain('hunter2').and.not.contain(WRONG.password)
    await start({ data: site.data })
  })
})

describe('refusals for too many failed logins', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  it('are in the audit log once for each window and key, also after a restart', async () => {
    let now = Date.now()
    const environment = { COFFER_LOGIN_FAILURES: '2', COFFER_TRUST_PROXY: 'loopback' }
    const options = { environment, clock: () => new Date(now) }
    let site = await startSite(options)
    const { data } = site
    const attempt = async (host: number, fields: Record<string, string> = WRONG) =>
      (await signIn(site.browser(), fields, { 'X-Forwarded-For': `192.0.2.${host}` })).status
    try {
      for (let count = 0; count < 2; count++) expect(await attempt(1)).to.equal(403)
      for (let count = 0; count < 5; count++) expect(await attempt(1)).to.equal(429)
      await site.stop()
      site = await startSite({ ...options, data })
      for (let count = 0; count < 5; count++) expect(await attempt(1)).to.equal(429)
      expect(limitedIn(data)).to.deep.equal(['192.0.2.1 -'])
      // eight failures of one account, from anywhere
      for (const host of [2, 3, 4]) {
        for (let count = 0; count < 2; count++) expect(await attempt(host)).to.equal(403)
      }
      for (const host of [5, 6, 7]) expect(await attempt(host)).to.equal(429)
      expect(limitedIn(data)).to.deep.equal(['192.0.2.1 -', '192.0.2.5 the account'])
      now += 16 * 60_000
      for (let count = 0; count < 2; count++) expect(await attempt(1)).to.equal(403)
      for (let count = 0; count < 3; count++) expect(await attempt(1)).to.equal(429)
      expect(limitedIn(data)).to.have.length(3)
    } finally {
      await site.remove()
      await removeDirectory(join(data, '..'))
    }
  })

  function limitedIn(data: string): string[] {
    const database = openDatabase(`${data}/coffer.db`)
    const rows = database
      .prepare("SELECT address, subject, outcome FROM audit WHERE event = 'login.limited'")
      .all() as { address: string; subject: string | null; outcome: string }[]
    database.close()
    for (const { outcome } of rows) expect(outcome).to.equal('failure')
    return rows.map(
      ({ address, subject }) => `${address} ${subject === null ? '-' : 'the account'}`,
    )
  }
})

describe('what programs leave behind (RFC 9126 section 2.3)', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  const environment = {
    COFFER_UNFINISHED_REQUESTS: '3',
    COFFER_TOKEN_FAILURES: '3',
    COFFER_TRUST_PROXY: 'loopback',
  }
  const pushed = Object.fromEntries(new URLSearchParams(authorizePath().split('?')[1]))
  const begun = { client_id: 'coffer', scope: 'file.read' }
  const unknown = { client_id: 'coffer', grant_type: 'refresh_token', refresh_token: 'unknown' }
  let site: Running
  afterEach(async () => {
    await site.remove()
    await removeDirectory(join(site.data, '..'))
  })

  const post = (path: string, form: object, address = '192.0.2.1') =>
    site
      .browser()
      .post(path)
      .set({ Accept: '*/*', 'X-Forwarded-For': address })
      .type('form')
      .send(form)

  async function expectTooMany(path: string, form: object): Promise<void> {
    const answer = await post(path, form)
    expect([answer.status, answer.body.error]).to.deep.equal([429, 'temporarily_unavailable'])
    expect(Number(answer.headers['retry-after'])).to.be.within(1, 300)
    expect(answer.headers['cache-control']).to.equal('no-store')
    // An application in a browser is told, too.
    expect(answer.headers['access-control-allow-origin']).to.equal('*')
    expect(answer.headers['access-control-expose-headers']).to.contain('Retry-After')
  }

  for (const [path, form, status] of [
    ['/par', pushed, 201],
    ['/device_authorization', begun, 200],
  ] as const) {
    it(`is bounded for one address: POST ${path}, which goes on elsewhere`, async () => {
      site = await startSite({ environment })
      for (let count = 0; count < 5; count++) {
        expect((await post(path, { ...form, scope: 'nonsense' })).status).to.equal(400)
      }
      for (let count = 0; count < 3; count++) {
        expect((await post(path, form)).status).to.equal(status)
      }
      await expectTooMany(path, form)
      expect((await post(path, form, '192.0.2.2')).status).to.equal(status)
      const { data } = site
      await site.stop()
      site = await startSite({ environment, data })
      await expectTooMany(path, form)
    })
  }

  it('is bounded for one client, from however many addresses', async () => {
    site = await startSite({ environment: { ...environment, COFFER_UNFINISHED_REQUESTS: '1' } })
    for (let host = 1; host <= 20; host++) {
      expect((await post('/device_authorization', begun, `192.0.2.${host}`)).status).to.equal(200)
    }
    for (const path of ['/par', '/device_authorization']) {
      const answer = await post(path, path === '/par' ? pushed : begun, '198.51.100.1')
      expect([answer.status, answer.body.error]).to.deep.equal([429, 'temporarily_unavailable'])
      expect(answer.headers['retry-after']).to.equal('300')
    }
  })

  it('does not include tokens that are no good, which are bounded themselves', async () => {
    site = await startSite({ environment })
    for (let count = 0; count < 3; count++) {
      expect((await post('/token', unknown)).body.error).to.equal('invalid_grant')
    }
    await expectTooMany('/token', unknown)
    expect((await post('/token', unknown, '192.0.2.2')).status).to.equal(400)
    const { data } = site
    await site.stop()
    site = await startSite({ environment, data })
    await expectTooMany('/token', unknown)
  })

  it('does not make waiting for a device a failure', async () => {
    site = await startSite({ environment })
    const { device_code } = (await post('/device_authorization', begun)).body
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
    for (let count = 0; count < 6; count++) {
      const { body } = await post('/token', { client_id: 'coffer', grant_type, device_code })
      expect(body.error).to.be.oneOf(['authorization_pending', 'slow_down'])
    }
  })
})

describe('forged proxy headers (RFC 9700 section 4.13)', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  it('change nothing when the peer is no trusted proxy', async () => {
    const site = await startSite({ environment: { COFFER_LOGIN_FAILURES: '3' } })
    for (let host = 1; host <= 3; host++) {
      await signIn(site.browser(), WRONG, { 'X-Forwarded-For': `192.0.2.${host}` })
    }
    const answer = await signIn(site.browser(), {}, { 'X-Forwarded-For': '192.0.2.9' })
    const metadata = await site
      .browser()
      .get('/.well-known/oauth-authorization-server')
      .set({ 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'http' })
    await site.remove()
    expect(answer.status).to.equal(429)
    expect(JSON.stringify(metadata.body)).to.not.contain('evil').and.not.contain('http://')
  })
})

describe('LimitStore', () => {
  const unexpected = (cause: unknown) => {
    throw cause
  }

  it('counts in a window, up and down, and forgets', () => {
    let now = 0
    const database = openDatabase(':memory:')
    const open = () => {
      const store = new LimitStore(database, 'test', () => new Date(now), unexpected)
      store.init({ windowMs: 1000 } as Parameters<LimitStore['init']>[0])
      return store
    }
    const store = open()
    const rows = () => database.prepare('SELECT key, hits FROM limits').all()
    store.increment('a')
    expect(store.increment('a')).to.deep.equal({ totalHits: 2, resetTime: new Date(1000) })
    store.decrement('a')
    store.flush()
    expect(rows()).to.deep.equal([{ key: 'test:a', hits: 1 }])
    const reopened = open()
    expect(reopened.increment('a').totalHits).to.equal(2)
    reopened.shutdown()
    reopened.decrement('a')
    reopened.decrement('a')
    expect(rows()).to.deep.equal([{ key: 'test:a', hits: 2 }])
    store.resetKey('a')
    store.increment('c')
    store.decrement('c')
    store.decrement('c')
    store.flush()
    expect(rows()).to.deep.equal([])
    store.increment('b')
    store.flush()
    now = 1000
    expect(store.get('b')).to.equal(undefined)
    expect(store.increment('b').totalHits).to.equal(1)
    store.flush()
    now = 2000
    expect(sweepLimits(database, now, 10)).to.equal(1)
    expect(rows()).to.deep.equal([])
    store.shutdown()
    database.close()
  })

  it('counts on, ends nothing, and says so once, when it cannot write down what it has counted', async () => {
    const database = openDatabase(':memory:')
    let tried = 0
    database.function('fail', () => {
      tried++
      throw new Error('the disk is full')
    })
    let now = 0
    const told: unknown[] = []
    const store = new LimitStore(
      database,
      'test',
      () => new Date(now),
      (cause) => told.push(cause),
    )
    store.increment('old')
    store.flush()
    const triggers = ['INSERT', 'UPDATE', 'DELETE']
    for (const change of triggers)
      database.exec(
        `CREATE TRIGGER no_${change} BEFORE ${change} ON limits BEGIN SELECT fail(); END`,
      )
    now = 60_000
    expect(store.increment('old').totalHits).to.equal(1)
    store.increment('a')
    await until('it tried to write it down', async () => tried === 1)
    expect(() => store.flush()).to.throw('the disk is full')
    store.increment('old')
    await until('it tried again by itself', async () => tried === 3)
    expect(told).to.have.length(1)
    expect(told[0]).to.have.property('message', 'the disk is full')
    expect(store.increment('a').totalHits).to.equal(2)
    for (const change of triggers) database.exec(`DROP TRIGGER no_${change}`)
    store.shutdown()
    const rows = database.prepare('SELECT key, hits FROM limits ORDER BY key').all()
    expect(rows).to.deep.equal([
      { key: 'test:a', hits: 2 },
      { key: 'test:old', hits: 2 },
    ])
    database.close()
  })
})

describe('more addresses than memory has room for, on a full disk', () => {
  const MINUTES = 5
  let now: number
  let database: ReturnType<typeof openDatabase>
  let stores: Map<string, LimitStore>
  let limited: Limits
  beforeEach(() => {
    now = 0
    database = openDatabase(':memory:')
    stores = new Map()
    limited = limits({
      store(prefix) {
        const made = new LimitStore(
          database,
          prefix,
          () => new Date(now),
          () => {},
        )
        stores.set(prefix, made)
        return made
      },
      ...{ loginFailures: 3, tokenFailures: 3, unfinishedRequests: 3 },
      audit: () => {},
      subjectOf: () => undefined,
      knows: () => false,
    })
    const pages = Number(database.pragma('page_count', { simple: true }))
    database.pragma(`max_page_count = ${pages}`)
  })
  afterEach(() => database.close())

  /** Counts one of each address, until no more are taken. */
  function flood(prefix: string): unknown {
    const store = stores.get(prefix)
    for (let n = 0; n < 2 * KEYS_IN_MEMORY; n++) {
      try {
        store?.increment(`flood ${n}`)
      } catch (cause) {
        return cause
      }
    }
    return undefined
  }
  /** What a guard says to a request of an address that was not seen before. */
  function asked(guard: (typeof limited)['clients'] | RequestHandler, ip = '192.0.2.1') {
    const request = { ip, socket: {}, headers: {}, body: {} }
    const response = Object.assign(new EventEmitter(), { locals: {}, statusCode: 200 })
    return new Promise<unknown>((resolve) => {
      guard(request as never, response as never, (error?: unknown) => {
        resolve(error)
        response.emit('close')
      })
    })
  }

  it('refuse a login, which is to be counted, for the disk', async () => {
    const [login] = limited.login
    if (login === undefined) throw new Error('logins are not limited')
    expect(await asked(login)).to.equal(undefined)
    expect(isDiskFull(flood('login'))).to.equal(true)
    expect(isDiskFull(await asked(login, '192.0.2.2'))).to.equal(true)
    now = 16 * 60_000
    expect(await asked(login, '192.0.2.2')).to.equal(undefined)
  })

  it('refuse no program, whose tokens nobody guesses', async () => {
    expect(isDiskFull(flood('client'))).to.equal(true)
    expect(await asked(limited.clients)).to.equal(undefined)
  })

  it('do not include those that succeeded', () => {
    const store = stores.get('client')
    for (let n = 0; n < 1.5 * KEYS_IN_MEMORY; n++) {
      store?.increment(`address ${n}`)
      if (n % 2 === 1) store?.decrement(`address ${n}`)
    }
    expect(store?.increment('another').totalHits).to.equal(1)
  })

  it('are forgotten when their time is over', () => {
    expect(isDiskFull(flood('client'))).to.equal(true)
    now = MINUTES * 60_000
    expect(stores.get('client')?.increment('another').totalHits).to.equal(1)
  })
})
