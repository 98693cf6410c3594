import { expect } from 'chai'
import {
  createLocalJWKSet,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JSONWebKeySet,
  jwtVerify,
  SignJWT,
} from 'jose'
import supertest from 'supertest'
import { rotateLocalKeys } from '../../../oauth/index.js'
import {
  allow,
  authorizeQuery,
  code,
  keysMade,
  post,
  read,
  redeem,
  refresh,
  type Tokens,
  tokens,
  type World,
  world,
} from './fixture.js'

const SECOND = 1000
const DAY = 86_400 * SECOND

async function refreshed(at: World, token: string): Promise<Tokens> {
  const { status, body } = await refresh(at, token)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body
}

describe('authorization codes over time (RFC 6749 section 4.1.2)', () => {
  let at: World
  beforeEach(async () => {
    at = await world()
  })

  it('are redeemed for tokens that the resource server takes', async () => {
    const { status, body } = await redeem(at, await code(at))
    expect(status).to.equal(200)
    expect(body).to.include({ token_type: 'Bearer', expires_in: 900 })
    expect((await read(at, body.access_token)).status).to.equal(200)
  })

  it('are void after 60 seconds', async () => {
    const issued = await code(at)
    at.now += 60 * SECOND
    const { status, body } = await redeem(at, issued)
    expect([status, body.error]).to.deep.equal([400, 'invalid_grant'])
  })

  it('take everything down that was issued from them when they are used twice', async () => {
    const issued = await code(at)
    const { body } = await redeem(at, issued)
    expect((await redeem(at, issued)).body.error).to.equal('invalid_grant')
    expect((await refresh(at, body.refresh_token)).body.error).to.equal('invalid_grant')
    expect((await read(at, body.access_token)).status).to.equal(401)
  })

  it('are redeemed by one of many at once', async () => {
    const issued = await code(at)
    const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(at, issued)))
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1)
  })

  it('are void after one wrong verifier', async () => {
    const issued = await code(at)
    const wrong = await redeem(at, issued, { code_verifier: 'x'.repeat(43) })
    expect(wrong.body.error).to.equal('invalid_grant')
    expect((await redeem(at, issued)).body.error).to.equal('invalid_grant')
  })
})

describe('refresh tokens over time (RFC 9700 section 4.14)', () => {
  let at: World
  let first: Tokens
  beforeEach(async () => {
    at = await world()
    first = await tokens(at)
  })

  it('are replaced on every use', async () => {
    const second = await refreshed(at, first.refresh_token)
    expect(second.refresh_token).to.not.equal(first.refresh_token)
    expect((await read(at, second.access_token)).status).to.equal(200)
  })

  it('get the same successor again within the grace', async () => {
    const second = await refreshed(at, first.refresh_token)
    at.now += 30 * SECOND
    expect((await refreshed(at, first.refresh_token)).refresh_token).to.equal(second.refresh_token)
    await refreshed(at, second.refresh_token)
  })

  it('end the whole family when used again after the grace', async () => {
    const second = await refreshed(at, first.refresh_token)
    at.now += 30 * SECOND + 1
    const reuse = await refresh(at, first.refresh_token)
    expect(reuse.body.error).to.equal('invalid_grant')
    expect(reuse.body.error_description).to.include('revoked')
    expect((await refresh(at, second.refresh_token)).body.error).to.equal('invalid_grant')
    expect((await read(at, second.access_token)).status).to.equal(401)
    expect(at.events.map(({ type }) => type)).to.include('refresh.reuse')
  })

  it('count as reused when the clock was set back', async () => {
    await refreshed(at, first.refresh_token)
    at.now -= DAY
    expect((await refresh(at, first.refresh_token)).body.error).to.equal('invalid_grant')
  })

  it('have one successor when 100 requests race, and the session lives on', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => refreshed(at, first.refresh_token)),
    )
    const successors = new Set(answers.map(({ refresh_token }) => refresh_token))
    expect(successors.size).to.equal(1)
    await refreshed(at, [...successors][0] ?? '')
  })

  it('die when idle for 30 days, not when used', async () => {
    at.now += 29 * DAY
    const second = await refreshed(at, first.refresh_token)
    at.now += 30 * DAY
    expect((await refresh(at, second.refresh_token)).body.error).to.equal('invalid_grant')
  })

  it('die with the account, and access tokens at once', async () => {
    at.disabled.add('user-1')
    expect((await read(at, first.access_token)).status).to.equal(401)
    expect((await refresh(at, first.refresh_token)).body.error).to.equal('invalid_grant')
  })

  it('survive a request that is refused', async () => {
    const wider = await refresh(at, first.refresh_token, { scope: 'file.read admin' })
    expect(wider.body.error).to.equal('invalid_scope')
    await refreshed(at, first.refresh_token)
  })
})

describe('access tokens over time (RFC 9068 section 4)', () => {
  it('end to the second', async () => {
    const at = await world()
    const { access_token } = await tokens(at)
    at.now += 899 * SECOND
    expect((await read(at, access_token)).status).to.equal(200)
    at.now += SECOND
    expect((await read(at, access_token)).status).to.equal(401)
  })

  it('verify after the keys were rotated, and new ones are signed with the new key', async () => {
    const at = await world()
    const kid = (token: string) =>
      JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
    await tokens(at)
    at.now += 90 * DAY - 3600 * SECOND
    const before = await tokens(at)
    await keysMade(at.store, at.now)
    at.now += 3599 * SECOND
    const last = await tokens(at)
    at.now += 2 * SECOND
    const after = await tokens(at)
    expect(kid(last.access_token)).to.equal(kid(before.access_token))
    expect(kid(after.access_token)).to.not.equal(kid(last.access_token))
    // long enough for the keys to be read from the store again, and neither token was seen before
    at.now += 60 * SECOND
    expect((await read(at, last.access_token)).status).to.equal(200)
    expect((await read(at, after.access_token)).status).to.equal(200)
  })
})

describe('signing keys over time (OpenID Connect Core section 10.1.1)', () => {
  it('are known to a verifier that keeps the set as long as it may, through every rotation', async () => {
    const at = await world()
    const secret = Buffer.alloc(32, 7)
    const clock = () => new Date(at.now)
    let keys: JSONWebKeySet = { keys: [] }
    let fetchedAt = Number.NEGATIVE_INFINITY
    let maxAge = 0
    const kids = new Set<unknown>()
    const began = at.now
    for (let minute = 0; minute < 6 * 60; minute += 7) {
      at.now += 7 * 60 * SECOND
      if (minute === 56) await rotateLocalKeys({ store: at.store, secret, clock, audit: () => {} })
      // The next rotation is not asked for.
      if (minute === 140) at.now = began + 90 * DAY
      if (at.now - fetchedAt >= maxAge * SECOND) {
        const answer = await supertest(at.app).get('/jwks')
        maxAge = Number(/max-age=(\d+)/.exec(answer.headers['cache-control'] ?? '')?.[1])
        keys = answer.body
        fetchedAt = at.now
      }
      const { access_token } = await tokens(at)
      const verified = await jwtVerify(access_token, createLocalJWKSet(keys), {
        currentDate: clock(),
      })
      kids.add(verified.protectedHeader.kid)
      // The keys of the command are as much younger.
      if (minute === 203) await keysMade(at.store, at.now)
    }
    expect(kids.size).to.equal(3)
  }).timeout(30_000)

  it('stay published for a day after their last use, then go', async () => {
    const at = await world()
    const kids = async () => {
      const { body } = await supertest(at.app).get('/jwks')
      return (body as JSONWebKeySet).keys.map(({ kid }) => kid)
    }
    const first = await kids()
    const secret = Buffer.alloc(32, 7)
    const clock = () => new Date(at.now)
    await rotateLocalKeys({ store: at.store, secret, clock, audit: () => {} })
    at.now += 3600 * SECOND
    expect(await kids(), 'when the next ones sign').to.include.members(first)
    at.now += DAY - SECOND
    expect(await kids()).to.include.members(first)
    at.now += 60 * SECOND
    expect(await kids())
      .to.have.lengthOf(2)
      .and.not.include.members(first)
  })
})

describe('an ID token as a hint, over time', () => {
  const HOUR = 3600 * SECOND
  let at: World
  let id_token_hint: string
  beforeEach(async () => {
    at = await world()
    id_token_hint = (await tokens(at)).id_token
    const clock = () => new Date(at.now)
    await rotateLocalKeys({ store: at.store, secret: Buffer.alloc(32, 7), clock, audit: () => {} })
  })
  const logout = () =>
    supertest(at.app)
      .get('/logout')
      .query({ id_token_hint, post_logout_redirect_uri: 'https://rp.test/out', state: 's' })
      .set('Cookie', 'who=user-1@')

  /** The error that somebody who is signed in is sent back with. */
  const problem = async (changes: Record<string, string>) => {
    const { headers, body } = await supertest(at.app)
      .get('/authorize')
      .query(authorizeQuery({ id_token_hint, ...changes }))
      .set('Cookie', 'who=user-1@')
    return new URL(headers.location ?? body.kind, 'https://none.test').searchParams.get('error')
  }

  it('counts for as long as the session may last that it was issued in', async () => {
    at.now += 24 * HOUR
    expect(await problem({ prompt: 'none' })).to.equal('consent_required')
    const { body } = await logout()
    expect(body, 'it was read').to.include({ kind: 'error' })
    expect(body.message).to.include('post_logout_redirect_uri')
  })

  it('is of nobody who is signed in once its key is gone (OpenID Connect Core section 3.1.2.1)', async () => {
    at.now += 26 * HOUR
    await supertest(at.app).get('/jwks')
    expect(await problem({ prompt: 'none' })).to.equal('login_required')
    expect(await problem({}), 'whom it means cannot be seen to').to.equal('invalid_request')
    for (const iss of ['https://other.test', undefined]) {
      const changed = Buffer.from(JSON.stringify({ ...decodeJwt(id_token_hint), iss }))
      const [head, , signature] = id_token_hint.split('.')
      const foreign = `${head}.${changed.toString('base64url')}.${signature}`
      const error = await problem({ prompt: 'none', id_token_hint: foreign })
      expect(error, `${iss}`).to.equal('invalid_request')
    }
  })

  it('has the user asked at logout, and leads nowhere, once its key is gone (RP-Initiated Logout section 2)', async () => {
    at.now += 26 * HOUR
    await supertest(at.app).get('/jwks')
    const { status, body, headers } = await logout()
    expect([status, body.kind, headers.location]).to.deep.equal([200, 'logout', undefined])
    expect(body.formAction).to.deep.equal([])
  })
})

describe('what has expired', () => {
  it('is swept, and the rest stays', async () => {
    const at = await world()
    const { refresh_token } = await tokens(at)
    for (let n = 0; n < 5; n++) await allow(at)
    at.now += 20 * 60 * SECOND
    await at.sweep()
    const count = (table: string) =>
      at.database.prepare(`SELECT count(*) FROM ${table}`).pluck().get()
    expect([count('codes'), count('grants'), count('refresh_tokens')]).to.deep.equal([0, 1, 1])
    expect((await refresh(at, refresh_token)).status).to.equal(200)
  })
})

describe('DPoP proofs over time (RFC 9449 section 11.1)', () => {
  it('are refused a second time up to the last moment of their window', async () => {
    const at = await world()
    const { refresh_token } = await tokens(at)
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const jwk = await exportJWK(publicKey)
    const proof = (nonce?: string) =>
      new SignJWT({ htm: 'POST', htu: 'https://as.test/token', jti: 'one', nonce })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt(at.now / SECOND + 60)
        .sign(privateKey)
    const asked = await refresh(at, refresh_token).set('DPoP', await proof())
    const ahead = await proof(asked.headers['dpop-nonce'])
    const first = await refresh(at, refresh_token).set('DPoP', ahead)
    expect(first.status).to.equal(200)
    at.now += 120.9 * SECOND
    await at.sweep()
    const again = await refresh(at, first.body.refresh_token).set('DPoP', ahead)
    expect([again.status, again.body.error]).to.deep.equal([400, 'invalid_dpop_proof'])
    expect(again.body.error_description).to.contain('used before')
  })
})

describe('revocation (RFC 7009)', () => {
  it('is audited with whose token it was', async () => {
    const at = await world()
    const { refresh_token, access_token } = await tokens(at)
    for (const token of [access_token, refresh_token]) {
      expect((await post(at, '/revoke', { client_id: 'fuse', token })).status).to.equal(200)
    }
    const events = at.events.filter(({ type }) => type.endsWith('.revoke'))
    expect(events.map(({ type, sub, client_id }) => [type, sub, client_id])).to.deep.equal([
      ['token.revoke', 'user-1', 'fuse'],
      ['grant.revoke', 'user-1', 'fuse'],
    ])
  })
})

describe('what was issued to another client or key', () => {
  it('is of no use, stays as it was, and that it was shown is audited', async () => {
    const at = await world({ registration: 'open' })
    const { body: other } = await supertest(at.app)
      .post('/register')
      .send({
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1/cb'],
        grant_types: [
          'authorization_code',
          'refresh_token',
          'urn:ietf:params:oauth:grant-type:device_code',
        ],
      })
    const { client_id } = other
    const shown = async (asked: PromiseLike<{ body: { error?: string } }>) =>
      expect((await asked).body.error).to.equal('invalid_grant')
    const bound = await code(at, { dpop_jkt: 'x'.repeat(43) })
    await shown(redeem(at, bound, { client_id }))
    await shown(redeem(at, bound))
    const { refresh_token } = await tokens(at)
    await shown(refresh(at, refresh_token, { client_id }))
    const { body: device } = await post(at, '/device_authorization', {
      client_id: 'fuse',
      scope: 'file.read',
    })
    await shown(
      post(at, '/token', {
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        client_id,
        device_code: device.device_code,
      }),
    )
    await shown(post(at, '/revoke', { client_id, token: refresh_token }))
    await refreshed(at, refresh_token)
    const events = at.events.filter(({ outcome }) => outcome === 'failure')
    expect(events.map((event) => [event.type, event.client_id, event.detail])).to.deep.equal([
      ['code.redeem', client_id, 'the code of another client was shown'],
      ['code.redeem', 'fuse', 'the code is bound to another DPoP key'],
      ['refresh.refuse', client_id, 'the refresh token of another client was shown'],
      ['device.redeem', client_id, 'the device code of another client was shown'],
      ['token.revoke', client_id, 'the token of another client was shown'],
    ])
  })

  it('is so for refresh tokens of a key, too', async () => {
    const at = await world()
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const jwk = await exportJWK(publicKey)
    const proof = (nonce?: string) =>
      new SignJWT({ htm: 'POST', htu: 'https://as.test/token', jti: String(nonce), nonce })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt(at.now / SECOND)
        .sign(privateKey)
    const { refresh_token } = await tokens(at)
    const asked = await refresh(at, refresh_token).set('DPoP', await proof())
    const { body } = await refresh(at, refresh_token).set(
      'DPoP',
      await proof(asked.headers['dpop-nonce']),
    )
    expect((await refresh(at, body.refresh_token)).body.error).to.equal('invalid_grant')
    const event = at.events.at(-1)
    expect([event?.type, event?.sub, event?.detail]).to.deep.equal([
      'refresh.refuse',
      'user-1',
      'the refresh token is bound to another DPoP key',
    ])
  })
})

describe('tokens of a client for itself (RFC 6749 section 4.4)', () => {
  it('are audited once in a quarter of an hour for each client, scope and address', async () => {
    const at = await world({ registration: 'open' })
    const own = { client_name: 'A service', grant_types: ['client_credentials'] }
    const { body } = await supertest(at.app)
      .post('/register')
      .send({ ...own, scope: 'file.read' })
    const ask = () =>
      post(at, '/token', { grant_type: 'client_credentials' }).auth(
        body.client_id,
        body.client_secret,
      )
    for (let n = 0; n < 3; n++) expect((await ask()).status).to.equal(200)
    at.now += 900 * SECOND
    expect((await ask()).status).to.equal(200)
    const event = {
      type: 'client.token',
      outcome: 'success',
      client_id: body.client_id,
      detail: 'file.read',
    }
    const events = at.events.filter(({ type }) => type === 'client.token')
    expect(events.map(({ address: _, ...rest }) => rest)).to.deep.equal([event, event])
  })
})

describe('the pages of the flow', () => {
  it('say when somebody denied', async () => {
    const { searchParams } = await allow(await world(), authorizeQuery(), 'deny')
    expect(searchParams.get('error')).to.equal('access_denied')
    expect(searchParams.get('iss')).to.equal('https://as.test')
  })
})
