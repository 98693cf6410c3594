import { expect } from 'chai'
import supertest from 'supertest'
import { registerClient } from '../../../oauth/index.js'
import {
  allow,
  authorizeQuery,
  CODE_VERIFIER,
  code,
  post,
  REDIRECT_URI,
  redeem,
  type World,
  world,
} from './fixture.js'

const MINUTE = 60_000

async function registered(at: World, metadata: object): Promise<string> {
  const clock = () => new Date(at.now)
  const accounts = { claims: async () => undefined }
  const registry = { store: at.store, accounts, scopes: ['file.read', 'file.write'], clock }
  return (await registerClient(registry, metadata)).client.client_id
}

/** What somebody who signed in so long ago is shown. */
function asked(at: World, query: Record<string, string>, signedInFor = 0) {
  return supertest(at.app)
    .get('/authorize')
    .query(query)
    .set('Cookie', `who=user-1@${at.now - signedInFor}`)
}

async function problem(at: World, changes: Record<string, string>): Promise<string | null> {
  const { headers, body } = await asked(at, authorizeQuery(changes))
  if (headers.location === undefined) throw new Error(JSON.stringify(body))
  return new URL(headers.location).searchParams.get('error')
}

describe('the authorization request (RFC 6749 section 4.1.1)', () => {
  let at: World
  beforeEach(async () => {
    at = await world()
  })

  const refused: [what: string, changes: Record<string, string>, error: string][] = [
    ['a response_mode but query', { response_mode: 'fragment' }, 'invalid_request'],
    ['a prompt that nobody knows', { prompt: 'create' }, 'invalid_request'],
    ['a max_age that is no number', { max_age: 'soon' }, 'invalid_request'],
    ['a max_age below zero', { max_age: '-1' }, 'invalid_request'],
    ['a state that is too long', { state: 'x'.repeat(4097) }, 'invalid_request'],
    ['a nonce that is too long', { nonce: 'x'.repeat(1025) }, 'invalid_request'],
    ['a dpop_jkt that is too long', { dpop_jkt: 'x'.repeat(44) }, 'invalid_request'],
  ]
  for (const [what, changes, error] of refused) {
    it(`refuses ${what}`, async () => {
      expect(await problem(at, changes)).to.equal(error)
    })
  }

  it('refuses a client that may not use codes, where it has a redirect URI (section 4.1.2.1)', async () => {
    const client_id = await registered(at, {
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/cb'],
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    })
    expect(await problem(at, { client_id })).to.equal('unauthorized_client')
  })

  it('is answered with what nobody keeps, page or redirect', async () => {
    for (const changes of [{}, { prompt: 'none' }] as Record<string, string>[]) {
      const { headers } = await asked(at, authorizeQuery(changes))
      expect(headers['cache-control']).to.equal('no-store')
    }
  })

  it('has people sign in again for select_account, and when max_age is just over', async () => {
    const again = async (changes: Record<string, string>, signedInFor: number) =>
      (await asked(at, authorizeQuery(changes), signedInFor)).body
    const signIn = { kind: 'signIn', reauthenticate: true }
    expect(await again({ prompt: 'select_account' }, 1)).to.include(signIn)
    expect(await again({ max_age: '60' }, MINUTE)).to.include(signIn)
    expect((await again({ max_age: '60' }, MINUTE - 1)).kind).to.equal('consent')
  })
})

describe('consent', () => {
  let at: World
  beforeEach(async () => {
    at = await world()
  })

  /** The form of the consent page, with what is sent besides. */
  async function sent(fields: Record<string, string>, wait = 0) {
    const cookie = `who=user-1@${at.now}`
    const { body } = await supertest(at.app)
      .get('/authorize')
      .query(authorizeQuery())
      .set('Cookie', cookie)
    at.now += wait
    return supertest(at.app)
      .post(body.action)
      .set('Cookie', cookie)
      .type('form')
      .send({ ...body.fields, csrf_token: 'good', ...fields })
  }
  const errorIn = (location: string | undefined) =>
    new URL(location ?? '').searchParams.get('error')

  it('is given by nothing but the word', async () => {
    for (const decision of ['', 'Allow', 'yes']) {
      const answer = await sent({ scope: 'file.read', decision })
      expect(errorIn(answer.headers.location), decision).to.equal('access_denied')
    }
  })

  it('to nothing is none', async () => {
    const query = authorizeQuery({ scope: 'file.read' })
    const cookie = `who=user-1@${at.now}`
    const { body } = await supertest(at.app).get('/authorize').query(query).set('Cookie', cookie)
    const answer = await supertest(at.app)
      .post(body.action)
      .set('Cookie', cookie)
      .type('form')
      .send({ ...body.fields, csrf_token: 'good', decision: 'allow' })
    expect(errorIn(answer.headers.location)).to.equal('access_denied')
  })

  it('is asked for on a page that may stay open for an hour', async () => {
    const allowed = { scope: 'file.read', decision: 'allow' }
    const late = await sent(allowed, 60 * MINUTE + 1)
    expect([late.status, late.headers.location]).to.deep.equal([400, undefined])
    expect(late.body.message).to.include('expired')
    expect((await sent(allowed, 60 * MINUTE)).status).to.equal(303)
  })

  const onThisComputer: [what: string, metadata: object, redirect_uri: string][] = [
    ['a web application on a loopback address', { application_type: 'web' }, REDIRECT_URI],
    ['a native one elsewhere', { application_type: 'native' }, 'https://rp.test/cb'],
  ]
  for (const [what, metadata, redirect_uri] of onThisComputer) {
    it(`is asked for each time by ${what} (RFC 8252 section 8.6)`, async () => {
      const redirect_uris = ['http://127.0.0.1/cb', 'https://rp.test/cb']
      const client_id = await registered(at, { ...metadata, redirect_uris })
      const query = authorizeQuery({ client_id, redirect_uri })
      await allow(at, query)
      expect((await asked(at, query)).body.kind).to.equal('consent')
    })
  }
})

describe('an account that is disabled before the tokens are fetched', () => {
  it('gets none for a code', async () => {
    const at = await world()
    const issued = await code(at)
    at.disabled.add('user-1')
    expect((await redeem(at, issued)).body.error).to.equal('invalid_grant')
  })
})

describe('a public client', () => {
  it('never acts for itself, whatever it was registered for (RFC 6749 section 4.4)', async () => {
    const at = await world()
    const client = await at.store.client('fuse')
    if (client === undefined) throw new Error('there is no client')
    await at.store.saveClient({ ...client, grant_types: ['client_credentials'] })
    const { body } = await post(at, '/token', {
      grant_type: 'client_credentials',
      client_id: 'fuse',
    })
    expect(body.error).to.equal('unauthorized_client')
  })
})

describe('the audit log of an authorization', () => {
  let at: World
  beforeEach(async () => {
    at = await world()
  })
  const said = () => at.events.filter(({ type }) => /^(consent|code)/.test(type))

  it('has the consent and the code that was redeemed, of one grant', async () => {
    await redeem(at, await code(at))
    const [consent, redeemed, ...others] = said()
    expect(others).to.deep.equal([])
    expect(consent).to.include({
      ...{ type: 'consent', outcome: 'success', sub: 'user-1', client_id: 'fuse' },
      ...{ address: '192.0.2.1', detail: authorizeQuery().scope },
    })
    expect(redeemed).to.include({ type: 'code.redeem', outcome: 'success', client_id: 'fuse' })
    expect(redeemed?.grantId).to.be.a('string').and.equal(consent?.grantId)
  })

  it('has the denial', async () => {
    await allow(at, authorizeQuery(), 'deny')
    expect(said()).to.deep.equal([
      {
        ...{ type: 'consent', outcome: 'failure', sub: 'user-1', client_id: 'fuse' },
        ...{ address: '192.0.2.1', detail: 'denied by the user' },
      },
    ])
  })

  it('has a wrong verifier, and a code that came twice', async () => {
    await redeem(at, await code(at), { code_verifier: `${CODE_VERIFIER.slice(0, -1)}x` })
    const twice = await code(at)
    for (let n = 0; n < 2; n++) await redeem(at, twice)
    const failures = said().filter(({ outcome }) => outcome === 'failure')
    expect(failures.map(({ type, detail }) => [type, detail])).to.deep.equal([
      ['code.redeem', 'the code_verifier does not match'],
      ['code.redeem', 'the code was used twice; its tokens are revoked'],
    ])
  })
})
