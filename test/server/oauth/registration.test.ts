import { expect } from 'chai'
import supertest from 'supertest'
import { registerClient } from '../../../oauth/index.js'
import { allow, authorizeQuery, post, read, redeem, refresh, type World, world } from './fixture.js'

const METADATA = {
  client_name: 'A dynamic client – naïve',
  redirect_uris: ['https://rp.test/cb'],
  grant_types: ['authorization_code', 'refresh_token'],
  unknown_member: 'ignored',
}

function register({ app }: World, metadata: unknown = METADATA) {
  return supertest(app)
    .post('/register')
    .send(metadata as object)
}

describe('dynamic registration (RFC 7591)', () => {
  let at: World
  beforeEach(async () => {
    at = await world({ registration: 'open' })
  })

  it('is off unless it is opened', async () => {
    const closed = await world()
    expect((await register(closed)).status).to.equal(404)
    const { body } = await supertest(closed.app).get('/.well-known/openid-configuration')
    expect(body).to.not.have.property('registration_endpoint')
  })

  it('answers 201 with what was registered, and a secret that works', async () => {
    const { status, body, headers } = await register(at)
    expect(status).to.equal(201)
    expect(headers['cache-control']).to.equal('no-store')
    expect(body).to.include({ client_name: METADATA.client_name, client_secret_expires_at: 0 })
    expect(body.response_types).to.deep.equal(['code'])
    expect(body).to.include.keys(
      'client_id',
      'client_secret',
      'client_id_issued_at',
      'registration_client_uri',
    )
    expect(JSON.stringify(body)).to.not.match(/digest|unknown_member/)
    const answer = await supertest(at.app)
      .post('/token')
      .auth(body.client_id, body.client_secret)
      .type('form')
      .send({ grant_type: 'authorization_code', code: 'x', code_verifier: 'x'.repeat(43) })
    expect(answer.body.error).to.equal('invalid_grant')
  })

  const refused: [what: string, changes: object, error: string][] = [
    ['a redirect to http', { redirect_uris: ['http://rp.test/cb'] }, 'invalid_redirect_uri'],
    [
      'a logout that leads to http',
      { post_logout_redirect_uris: ['http://rp.test/out'] },
      'invalid_redirect_uri',
    ],
    [
      'keys for an algorithm that nobody may use',
      {
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ kty: 'EC', alg: 'HS256' }] },
      },
      'invalid_client_metadata',
    ],
    ['no redirect', { redirect_uris: [] }, 'invalid_client_metadata'],
    ['an unknown grant', { grant_types: ['password'] }, 'invalid_client_metadata'],
    ['the implicit response type', { response_types: ['token'] }, 'invalid_client_metadata'],
    ['a name that reads backwards', { client_name: 'evil \u202e' }, 'invalid_client_metadata'],
    [
      'a private key',
      { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'EC', d: 'x' }] } },
      'invalid_client_metadata',
    ],
    [
      'no keys for private_key_jwt',
      { token_endpoint_auth_method: 'private_key_jwt' },
      'invalid_client_metadata',
    ],
    ['an unknown scope', { scope: 'admin' }, 'invalid_client_metadata'],
    [
      'RS256 with the FAPI 2.0 profile',
      {
        fapi: true,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ kty: 'EC' }] },
        id_token_signed_response_alg: 'RS256',
      },
      'invalid_client_metadata',
    ],
    [
      'client_credentials without a secret',
      { token_endpoint_auth_method: 'none', grant_types: ['client_credentials'] },
      'invalid_client_metadata',
    ],
  ]
  for (const [what, changes, error] of refused) {
    it(`refuses ${what}`, async () => {
      const { status, body } = await register(at, { ...METADATA, ...changes })
      expect([status, body.error]).to.deep.equal([400, error])
    })
  }

  it('lets nobody make themselves a resource server that introspects', async () => {
    const { body } = await register(at, { ...METADATA, introspects: true })
    expect(body.introspects).to.equal(false)
  })

  it('lets an administrator make no resource server that does not authenticate', async () => {
    const accounts = { claims: async () => undefined }
    const registry = { store: at.store, accounts, scopes: [], clock: () => new Date(at.now) }
    const metadata = { ...METADATA, introspects: true, token_endpoint_auth_method: 'none' }
    const refusal = await registerClient(registry, metadata).catch((error) => error)
    expect(refusal).to.be.an('error').and.have.property('error', 'invalid_client_metadata')
  })

  it('refuses a body that is not JSON', async () => {
    const answer = await supertest(at.app).post('/register').type('form').send('a=1')
    expect(answer.body.error).to.equal('invalid_request')
  })

  it('is limited by address', async () => {
    for (let n = 0; n < 20; n++) expect((await register(at)).status).to.equal(201)
    expect((await register(at)).status).to.equal(429)
  })
})

describe('a dynamically registered client that nobody uses (RFC 7591 section 5)', () => {
  const WEEK = 7 * 86_400_000
  const SERVICE = { client_name: 'A service', grant_types: ['client_credentials'] }
  let at: World
  beforeEach(async () => {
    at = await world({ registration: 'open' })
  })
  const ids = async () => (await at.store.clients()).map(({ client_id }) => client_id)
  const use = ({ client_id, client_secret }: Record<string, string>) =>
    post(at, '/token', { grant_type: 'client_credentials' })
      .auth(client_id ?? '', client_secret ?? '')
      .expect(200)

  it('is removed after a week, which the audit log says', async () => {
    const { client_id } = (await register(at)).body
    at.now += WEEK
    await at.sweep()
    expect(await ids()).to.include(client_id)
    at.now += 1
    await at.sweep()
    expect(await ids()).to.deep.equal(['fuse'])
    const { address: _, ...event } = at.events.at(-1) ?? {}
    const detail = 'never used'
    expect(event).to.deep.equal({ type: 'client.remove', outcome: 'success', client_id, detail })
  })

  it('is removed however many there are', async () => {
    const { client_id, ...client } = (await at.store.client('fuse')) ?? {}
    for (let n = 0; n < 450; n++) {
      const one = { ...client, registration_digest: 'x', client_id: `n${n}` }
      await at.store.saveClient(one as never)
    }
    at.now += WEEK + 1
    await at.sweep()
    expect(await ids()).to.deep.equal([client_id])
  })

  it('stays once it has got a token, also when it is changed afterwards', async () => {
    const { body } = await register(at, SERVICE)
    await use(body)
    const changed = await supertest(at.app)
      .put(`/register/${body.client_id}`)
      .set('Authorization', `Bearer ${body.registration_access_token}`)
      .send(SERVICE)
    expect(changed.status).to.equal(200)
    expect(changed.body).to.not.have.property('usedAt')
    at.now += 100 * WEEK
    await at.sweep()
    await use(body)
  })

  it('is not used by a request that is refused', async () => {
    const { body } = await register(at, SERVICE)
    const refused = await post(at, '/token', {
      grant_type: 'client_credentials',
      scope: 'admin',
    }).auth(body.client_id, body.client_secret)
    expect(refused.status).to.equal(400)
    at.now += WEEK + 1
    await at.sweep()
    expect(await ids()).to.deep.equal(['fuse'])
  })

  it('is no client that an administrator added', async () => {
    at.now += 100 * WEEK
    await at.sweep()
    expect(await ids()).to.deep.equal(['fuse'])
  })
})

describe('managing a registration (RFC 7592)', () => {
  let at: World
  let client_id: string
  let token: string
  beforeEach(async () => {
    at = await world({ registration: 'open' })
    const { body } = await register(at)
    client_id = body.client_id
    token = body.registration_access_token
  })
  const manage = (method: 'get' | 'put' | 'delete', shown = token) =>
    supertest(at.app)[method](`/register/${client_id}`).set('Authorization', `Bearer ${shown}`)

  it('reads, changes and removes it with its token', async () => {
    expect((await manage('get')).body.client_name).to.equal(METADATA.client_name)
    const changed = await manage('put').send({ ...METADATA, client_name: 'Renamed' })
    expect(changed.body.client_name).to.equal('Renamed')
    expect((await manage('get')).body.client_name).to.equal('Renamed')
    expect((await manage('delete')).status).to.equal(204)
    expect((await manage('get')).status).to.equal(401)
    const events = at.events.filter((event) => event.client_id === client_id)
    expect(events.map(({ type }) => type)).to.deep.equal([
      'client.register',
      'client.update',
      'client.remove',
    ])
  })

  it('takes the tokens of a client that acts for itself away with it', async () => {
    const own = { client_name: 'A service', grant_types: ['client_credentials'] }
    const { body } = await register(at, own)
    const issued = await post(at, '/token', { grant_type: 'client_credentials' }).auth(
      body.client_id,
      body.client_secret,
    )
    const { access_token } = issued.body
    expect((await read(at, access_token)).status).to.equal(200)
    await supertest(at.app)
      .delete(`/register/${body.client_id}`)
      .set('Authorization', `Bearer ${body.registration_access_token}`)
      .expect(204)
    expect((await read(at, access_token)).status).to.equal(401)
  })

  it('has its users asked again once it has another name, or answers go elsewhere', async () => {
    const query = (redirect_uri: string) => authorizeQuery({ client_id, redirect_uri })
    const kind = async (redirect_uri: string) => {
      const asked = supertest(at.app).get('/authorize').query(query(redirect_uri))
      const { status, body } = await asked.set('Cookie', `who=user-1@${at.now}`)
      return status === 302 ? 'redirect' : body.kind
    }
    const [here, elsewhere] = ['https://rp.test/cb', 'https://elsewhere.test/cb']
    await allow(at, query(here))
    await manage('put').send(METADATA)
    expect(await kind(here)).to.equal('redirect')
    await manage('put').send({ ...METADATA, redirect_uris: [here, elsewhere] })
    expect(await kind(elsewhere)).to.equal('consent')
    await allow(at, query(here))
    expect(await kind(elsewhere)).to.equal('redirect')
    await manage('put').send({ ...METADATA, redirect_uris: [here, elsewhere], client_name: 'Bank' })
    expect(await kind(here)).to.equal('consent')
  })

  it('is let in by nobody who was shown another name, or other addresses', async () => {
    const cookie = `who=user-1@${at.now}`
    const here = 'https://rp.test/cb'
    const elsewhere = { ...METADATA, redirect_uris: [here, 'https://elsewhere.test/cb'] }
    for (const changed of [{ ...METADATA, client_name: 'Bank' }, elsewhere]) {
      await manage('put').send(METADATA)
      const query = authorizeQuery({ client_id, redirect_uri: here, scope: 'file.read' })
      const ask = () => supertest(at.app).get('/authorize').query(query).set('Cookie', cookie)
      const { body: page } = await ask()
      await manage('put').send(changed)
      const form = { ...page.fields, csrf_token: 'good', decision: 'allow', scope: 'file.read' }
      const decided = await post(at, page.action, form).set('Cookie', cookie)
      expect([decided.status, decided.body.kind]).to.deep.equal([403, 'error'])
      expect((await ask()).body.kind).to.equal('consent')
    }
  })

  it('refuses every other token', async () => {
    for (const method of ['get', 'put', 'delete'] as const) {
      const asked = manage(method, 'wrong')
      const { status } = await (method === 'put' ? asked.send(METADATA) : asked)
      expect(status).to.equal(401)
    }
    const builtIn = await supertest(at.app).get('/register/fuse').set('Authorization', 'Bearer x')
    expect(builtIn.status).to.equal(401)
  })

  it('answers with the token again, as section 3 wants', async () => {
    expect((await manage('get')).body.registration_access_token).to.equal(token)
    const changed = await manage('put').send(METADATA)
    expect(changed.body.registration_access_token).to.equal(token)
  })

  it('takes back what it answered, and null for what is left out', async () => {
    const known = (await manage('get')).body
    expect((await manage('put').send(known)).status).to.equal(200)
    const changed = await manage('put').send({ ...METADATA, client_name: null })
    expect([changed.status, changed.body.client_name]).to.deep.equal([200, 'Unnamed application'])
  })

  it('makes nobody a resource server that introspects', async () => {
    const changed = await manage('put').send({ ...METADATA, introspects: true })
    expect([changed.status, changed.body.introspects]).to.deep.equal([200, false])
  })

  it('refuses another client_id, and a secret that the client chose', async () => {
    for (const own of [
      { client_id: 'fuse' },
      { client_id, client_secret: 'chosen' },
      { client_secret: 1 },
    ]) {
      const { status, body } = await manage('put').send({ ...METADATA, ...own })
      expect([status, body.error]).to.deep.equal([400, 'invalid_client_metadata'])
    }
  })

  it('does not change how the client authenticates', async () => {
    const { status } = await manage('put').send({ ...METADATA, token_endpoint_auth_method: 'none' })
    expect(status).to.equal(400)
  })
})

describe('an issuer with a path', () => {
  it('has its metadata where RFC 8414 section 3.1 and Discovery section 4.1 want it', async () => {
    const { app } = await world({ issuer: 'https://as.test/as' })
    for (const path of [
      '/.well-known/oauth-authorization-server/as',
      '/as/.well-known/openid-configuration',
    ]) {
      const { status, body } = await supertest(app).get(path)
      expect(status).to.equal(200)
      expect(body).to.include({
        issuer: 'https://as.test/as',
        token_endpoint: 'https://as.test/as/token',
      })
    }
    expect((await supertest(app).post('/as/token')).status).to.equal(400)
  })

  for (const issuer of [
    'http://as.test',
    'https://as.test/',
    'https://as.test?x',
    'https://as.test#x',
    'as.test',
  ]) {
    it(`refuses ${issuer} as issuer`, async () => {
      const refusal = await world({ issuer }).catch((error) => error)
      expect(refusal).to.be.an('error')
    })
  }
})

describe('a grant for two resources (RFC 8707 section 2.2)', () => {
  it('narrows each token, not the grant', async () => {
    const at = await world()
    const both = ['https://as.test/files', 'https://other.test/api']
    const query = new URLSearchParams(authorizeQuery())
    for (const resource of both) query.append('resource', resource)
    const code = (await allow(at, query.toString())).searchParams.get('code') ?? ''
    const aud = (token: string) =>
      JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).aud
    const first = (await redeem(at, code, { resource: both[0] ?? '' })).body
    expect(aud(first.access_token)).to.equal(both[0])
    const second = (await refresh(at, first.refresh_token, { resource: both[1] ?? '' })).body
    expect(aud(second.access_token)).to.equal(both[1])
    const third = (await refresh(at, second.refresh_token)).body
    expect(aud(third.access_token)).to.deep.equal(both)
  })
})
