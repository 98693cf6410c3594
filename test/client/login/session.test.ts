import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { CommandError } from '../../../client/command-error.js'
import { httpClient } from '../../../client/http/api.js'
import { ExchangeError } from '../../../client/http/exchange.js'
import type { Trust } from '../../../client/http/trust.js'
import { type Account, AccountDirectory } from '../../../client/login/account.js'
import { DpopKey } from '../../../client/login/dpop.js'
import { Session, type SessionNotice } from '../../../client/login/session.js'
import { requestTokens } from '../../../client/login/token-endpoint.js'
import { fileTokens, type TokenStore, type Tokens } from '../../../client/login/tokens.js'
import { RemoteError } from '../../../client/remote-error.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { bodyOf, json, type SmallServer, smallServer } from './small-server.js'

/** A token endpoint that rotates: each refresh token works once. */
describe('a session (RFC 6749 section 6)', () => {
  let server: SmallServer
  let config: string
  let directory: AccountDirectory
  let store: TokenStore
  let now: number
  let redeemed: string[]
  let answer: 'tokens' | 'invalid_grant' | 'invalid_dpop_proof' | 'cut' | 'a gateway'
  let notices: SessionNotice[]

  const request = { method: 'GET', url: new URL('https://localhost/files/a') }
  const answered = { status: 401, headers: {}, body: Buffer.alloc(0) }

  beforeEach(async () => {
    redeemed = []
    notices = []
    answer = 'tokens'
    now = 1_000_000
    server = await smallServer(async (request, response) => {
      const form = new URLSearchParams(await bodyOf(request))
      const presented = form.get('refresh_token') ?? ''
      if (answer === 'cut') return request.socket.destroy()
      if (answer === 'a gateway') return json(response, 404, { error: 'Not Found' })
      if (answer === 'invalid_dpop_proof') return json(response, 400, { error: answer })
      if (answer === 'invalid_grant' || redeemed.includes(presented)) {
        return json(response, 400, { error: 'invalid_grant', error_description: 'it is used up' })
      }
      redeemed.push(presented)
      const number = redeemed.length
      json(response, 200, {
        access_token: `access-${number}`,
        refresh_token: `refresh-${number}`,
        token_type: request.headers.dpop === undefined ? 'Bearer' : 'DPoP',
        expires_in: 900,
      })
      return undefined
    })
    config = await temporaryDirectory('session')
    directory = new AccountDirectory(config, server.url)
    store = fileTokens(directory)
    await directory.save(account())
    await store.save(tokens(900))
  })
  afterEach(async () => {
    await server.close()
    await removeDirectory(config)
  })

  const trust = (): Trust => ({ kind: 'authority', pem: server.authority.certificate })
  function account(): Account {
    return {
      server: server.url.origin,
      issuer: server.url.origin,
      client_id: 'coffer',
      resource: `${server.url.origin}/files`,
      scope: 'file.read',
      token_endpoint: `${server.url.origin}/token`,
      trust: trust(),
      store: 'file',
    }
  }
  const tokens = (seconds: number): Tokens => ({
    access_token: 'access-0',
    refresh_token: 'refresh-0',
    token_type: 'Bearer',
    scope: 'file.read',
    issuedAt: now,
    expiresAt: now + seconds * 1000,
  })
  const session = (kept: TokenStore = store): Session =>
    new Session({
      account: account(),
      directory,
      store: kept,
      send: httpClient({ trust: trust() }).send,
      clock: () => now,
      notice: (notice) => notices.push(notice),
    })

  it('uses the stored token while it is good', async () => {
    expect(await session().headers(request)).to.deep.equal({ authorization: 'Bearer access-0' })
    expect(redeemed).to.deep.equal([])
  })

  it('refreshes an expired token once, however many ask', async () => {
    now += 901_000
    const one = session()
    const all = await Promise.all(Array.from({ length: 20 }, () => one.headers(request)))
    for (const headers of all) expect(headers.authorization).to.equal('Bearer access-1')
    expect(redeemed).to.deep.equal(['refresh-0'])
    expect((await store.load())?.refresh_token).to.equal('refresh-1')
  })

  it('says why while the store is out of reach, and goes on when it is back', async () => {
    let isLocked = false
    let looks: unknown[] = []
    const keyring: TokenStore = {
      ...store,
      load: async (mayAsk) => {
        looks.push(mayAsk)
        if (isLocked) throw new CommandError('the keyring is locked; unlock it')
        return store.load()
      },
    }
    const one = session(keyring)
    await one.headers(request)
    now += 901_000
    isLocked = true
    looks = []
    const failure = await one.headers(request).catch((error: unknown) => error)
    expect(failure).to.include({ code: 'EACCES', message: 'the keyring is locked; unlock it' })
    expect(one.state).to.deep.equal({ kind: 'dead', message: 'the keyring is locked; unlock it' })
    for (let more = 0; more < 5; more++) await one.headers(request).catch(() => {})
    now += 1_000
    await one.headers(request).catch(() => {})
    isLocked = false
    now += 1_000
    expect((await one.headers(request)).authorization).to.equal('Bearer access-1')
    expect(one.state.kind).to.equal('alive')
    expect(notices.map(({ kind }) => kind)).to.deep.equal(['dead', 'alive'])
    expect(looks.slice(0, 3)).to.deep.equal([true, false, false]) // somebody is asked for a password once
  })

  it('refreshes ahead of time and serves the old token meanwhile', async () => {
    now += 850_000
    const one = session()
    expect((await one.headers(request)).authorization).to.equal('Bearer access-0')
    while ((await one.headers(request)).authorization === 'Bearer access-0') {
      await new Promise(setImmediate)
    }
    expect(redeemed).to.deep.equal(['refresh-0'])
    expect((await one.headers(request)).authorization).to.equal('Bearer access-1')
  })

  it('refreshes once for several processes of the account', async () => {
    now += 901_000
    const several = Array.from({ length: 5 }, () => session())
    const all = await Promise.all(several.map((one) => one.headers(request)))
    for (const headers of all) expect(headers.authorization).to.equal('Bearer access-1')
    expect(redeemed).to.deep.equal(['refresh-0'])
  })

  it('after a 401 uses what another process has got, else refreshes', async () => {
    const [one, other] = [session(), session()]
    const refused = await one.headers(request)
    expect(await other.headers(request)).to.deep.equal(refused)
    expect((await one.renewed(refused, request, answered)).authorization).to.equal(
      'Bearer access-1',
    )
    expect((await one.renewed(refused, request, answered)).authorization).to.equal(
      'Bearer access-1',
    )
    expect((await other.renewed(refused, request, answered)).authorization).to.equal(
      'Bearer access-1',
    )
    expect(redeemed).to.have.length(1)
  })

  it('says EACCES and what to do when the refresh token is dead, and says it once', async () => {
    now += 901_000
    answer = 'invalid_grant'
    const one = session()
    for (let round = 0; round < 3; round++) {
      const error: unknown = await one.headers(request).catch((caught: unknown) => caught)
      expect(error).to.be.instanceOf(RemoteError)
      expect((error as RemoteError).code).to.equal('EACCES')
      expect((error as RemoteError).message).to.include(`coffer login ${server.url.origin}`)
    }
    expect(notices.map(({ kind }) => kind)).to.deep.equal(['dead'])
    expect(one.state.kind).to.equal('dead')
  })

  it('comes back to life with a new login, without a restart', async () => {
    now += 901_000
    answer = 'invalid_grant'
    const one = session()
    await one.headers(request).catch(() => {})
    await store.save({ ...tokens(900), access_token: 'fresh', refresh_token: 'fresh' })
    now += 1_001
    expect((await one.headers(request)).authorization).to.equal('Bearer fresh')
    expect(notices.map(({ kind }) => kind)).to.deep.equal(['dead', 'alive'])
  })

  it('comes back to life with a new login though the clock was set back meanwhile', async () => {
    now += 901_000
    answer = 'invalid_grant'
    const one = session()
    await one.headers(request).catch(() => {})
    now -= 7_200_000
    await store.save({ ...tokens(900), access_token: 'fresh', refresh_token: 'fresh' })
    expect((await one.headers(request)).authorization).to.equal('Bearer fresh')
  })

  it('does not go on as somebody else who has logged in since, but as the same account again', async () => {
    await store.save({ ...tokens(900), subject: 'maria' })
    const one = session()
    const refused = await one.headers(request)
    await store.save({ ...tokens(900), subject: 'peter', access_token: 'of peter' })
    for (let round = 0; round < 2; round++) {
      const error: unknown = await one
        .renewed(refused, request, answered)
        .catch((caught: unknown) => caught)
      expect(error).to.be.instanceOf(RemoteError).with.property('code', 'EACCES')
    }
    expect(one.state.kind).to.equal('dead')
    expect(redeemed).to.deep.equal([])
    await store.save({ ...tokens(900), subject: 'maria', access_token: 'of maria' })
    now += 1_001
    const headers = await one.renewed(refused, request, answered)
    expect(headers.authorization).to.equal('Bearer of maria')
    expect(notices.map(({ kind }) => kind)).to.deep.equal(['dead', 'alive'])
  })

  for (const [how, subject] of [
    ['ended by the server', 'maria'],
    ['replaced by another account', 'peter'],
  ]) {
    it(`goes on at once with a new login that it is told of, after one ${how}`, async () => {
      await store.save({ ...tokens(900), subject: 'maria' })
      const one = session()
      await one.headers(request)
      now += 901_000
      answer = 'invalid_grant'
      await store.save({ ...tokens(0), subject })
      await one.headers(request).catch(() => {})
      expect(one.state.kind).to.equal('dead')
      await store.save({
        ...tokens(900),
        subject: 'maria',
        access_token: 'new',
        refresh_token: 'new',
      })
      one.lookAgain()
      expect((await one.headers(request)).authorization).to.equal('Bearer new')
    })
  }

  it('knows whose login it is after a refresh that does not say so', async () => {
    await store.save({ ...tokens(900), subject: 'maria' })
    now += 901_000
    await session().headers(request)
    expect(await store.load()).to.include({ subject: 'maria', access_token: 'access-1' })
  })

  describe('bound to a key (RFC 9449)', () => {
    let key: DpopKey
    beforeEach(() => {
      key = DpopKey.generate(() => now)
    })
    const nonceOf = ({ dpop = '' }: Readonly<Record<string, string>>) => decodeJwt(dpop).nonce
    const bound = async (): Promise<Session> => {
      await store.save({ ...tokens(900), token_type: 'DPoP', dpopKey: { ...key.privateJwk } })
      return session()
    }
    const refusal = (error: string, headers = {}) => ({
      ...answered,
      headers: { 'www-authenticate': `DPoP error="${error}"`, ...headers },
    })

    it('has the nonce that any answer brought, before the old one is refused', async () => {
      const one = await bound()
      expect(nonceOf(await one.headers(request))).to.equal(undefined)
      one.heard(request, { 'dpop-nonce': 'first' })
      expect(nonceOf(await one.headers(request))).to.equal('first')
      let count = 0
      const other = await smallServer((_request, response) => {
        json(response, 200, {}, { 'DPoP-Nonce': `number-${++count}` })
      })
      const files: Trust = { kind: 'authority', pem: other.authority.certificate }
      const { send, duplex, close } = httpClient({ trust: files, credentials: one })
      const there = { method: 'GET', url: other.url, limit: 1000 }
      try {
        await send(there)
        expect(nonceOf(await one.headers(there))).to.equal('number-1')
        const { answer: content, end } = await duplex(there, () => true)
        end()
        for await (const _ of content);
        expect(nonceOf(await one.headers(there))).to.equal('number-2')
      } finally {
        close()
        await other.close()
      }
    })

    it('refreshes also where a nonce is learned from another answer meanwhile', async () => {
      const { send, close } = httpClient({ trust: trust() })
      const asked: unknown[] = []
      const endpoint = account()
      const { access_token } = await requestTokens({
        endpoint,
        grant: { grant_type: 'refresh_token', refresh_token: 'refresh-0' },
        now,
        key,
        async send(exchange) {
          asked.push(nonceOf({ dpop: exchange.headers?.DPoP ?? '' }))
          if (asked.length > 1) return send(exchange)
          key.learn(exchange.url, { 'dpop-nonce': 'wanted' })
          const body = Buffer.from('{"error":"use_dpop_nonce"}')
          return { status: 400, headers: { 'dpop-nonce': 'wanted' }, body }
        },
      })
      close()
      expect(access_token).to.equal('access-1')
      expect(asked).to.deep.equal([undefined, 'wanted'])
    })

    it('makes another proof, and no new tokens, when only the proof was refused', async () => {
      const one = await bound()
      const refused = await one.headers(request)
      for (const [error, nonce] of [
        ['use_dpop_nonce', 'fresh'],
        ['invalid_dpop_proof', 'fresher'],
      ] as const) {
        const again = await one.renewed(refused, request, refusal(error, { 'dpop-nonce': nonce }))
        expect(again.authorization).to.equal('DPoP access-0')
        expect(nonceOf(again)).to.equal(nonce)
      }
      expect(redeemed).to.deep.equal([])
      await one.renewed(refused, request, refusal('invalid_token'))
      expect(redeemed).to.deep.equal(['refresh-0'])
    })
  })

  for (const [what, given] of [
    ['a proof that was refused (RFC 9449)', 'invalid_dpop_proof'],
    ['a lost answer', 'cut'],
    ['what something before the server says', 'a gateway'],
  ] as const) {
    it(`takes ${what} for a server out of reach, not for the end of the login`, async () => {
      now += 901_000
      answer = given
      const one = session()
      const error: unknown = await one.headers(request).catch((caught: unknown) => caught)
      expect(error).to.be.instanceOf(ExchangeError).with.property('kind', 'unreachable')
      answer = 'tokens'
      expect((await one.headers(request)).authorization).to.equal('Bearer access-1')
      expect(notices).to.deep.equal([])
    })
  }

  it('goes on with tokens that it could not store', async () => {
    now += 901_000
    const full: TokenStore = { ...store, save: () => Promise.reject(new Error('no space left')) }
    const one = session(full)
    expect((await one.headers(request)).authorization).to.equal('Bearer access-1')
    now += 901_000
    expect((await one.headers(request)).authorization).to.equal('Bearer access-2')
    expect(redeemed).to.deep.equal(['refresh-0', 'refresh-1'])
    expect(notices.map(({ kind }) => kind)).to.deep.equal(['unsaved', 'unsaved'])
  })
})
