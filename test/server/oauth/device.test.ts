import { expect } from 'chai'
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import supertest from 'supertest'
import { authorizeQuery, OTHER_RESOURCE, post, RESOURCE, type World, world } from './fixture.js'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const MINUTE = 60_000

interface Begun {
  readonly device_code: string
  readonly user_code: string
}

interface Shown {
  readonly action: string
  readonly fields: Record<string, string>
}

/** A form that user-1 sends. */
function send({ app }: World, path: string, fields: Record<string, string>) {
  const sent = supertest(app).post(path).set('Cookie', 'who=user-1@').type('form')
  return sent.send({ csrf_token: 'good', ...fields })
}

/** Enters the code. */
async function shown(at: World, { user_code }: Begun): Promise<Shown> {
  return (await send(at, '/device', { user_code })).body
}

async function answered(
  at: World,
  { action, fields }: Shown,
  decision: 'allow' | 'deny',
): Promise<string> {
  return (await send(at, action, { ...fields, scope: 'file.read', decision })).body.title
}

async function decide(at: World, device: Begun, decision: 'allow' | 'deny'): Promise<string> {
  return answered(at, await shown(at, device), decision)
}

function poll(at: World, { device_code }: Begun, changes: Record<string, string> = {}) {
  const form = { grant_type: DEVICE_GRANT, client_id: 'fuse', device_code, ...changes }
  return post(at, '/token', form)
}

describe('a device authorization (RFC 8628)', () => {
  let at: World
  beforeEach(async () => {
    at = await world()
  })

  async function begun(form = 'scope=file.read', proof?: string): Promise<Begun> {
    const asked = supertest(at.app)
      .post('/device_authorization')
      .type('form')
      .send(`client_id=fuse&${form}`)
    const { status, body } = await (proof === undefined ? asked : asked.set('DPoP', proof))
    if (status !== 200) throw new Error(JSON.stringify(body))
    return body
  }

  it('is begun by no client that may not use the grant, and with no repeated parameter', async () => {
    const begin = (form: string) =>
      supertest(at.app).post('/device_authorization').type('form').send(form)
    for (const repeated of ['scope=file.write', 'foo=a&foo=b']) {
      const { status, body } = await begin(`client_id=fuse&scope=file.read&${repeated}`)
      expect([status, body.error], repeated).to.deep.equal([400, 'invalid_request'])
    }
    const client = await at.store.client('fuse')
    if (client === undefined) throw new Error('there is no client')
    await at.store.saveClient({ ...client, grant_types: ['authorization_code'] })
    const { status, body } = await begin('client_id=fuse&scope=file.read')
    expect([status, body.error]).to.deep.equal([400, 'unauthorized_client'])
  })

  it('has the consent and the tokens in the audit log, of one grant', async () => {
    const device = await begun()
    expect(await decide(at, device, 'allow')).to.equal('Done')
    expect((await poll(at, device)).status).to.equal(200)
    const [consent, redeemed] = at.events.filter(({ type }) => type.startsWith('device.'))
    const whose = { outcome: 'success', sub: 'user-1', client_id: 'fuse' }
    expect(consent).to.include({ type: 'device.consent', ...whose, detail: 'file.read' })
    expect(redeemed).to.include({ type: 'device.redeem', ...whose })
    expect(redeemed?.grantId).to.be.a('string').and.equal(consent?.grantId)
  })

  it('has the denial in the audit log', async () => {
    const device = await begun()
    expect(await decide(at, device, 'deny')).to.equal('Denied')
    expect((await poll(at, device)).body.error).to.equal('access_denied')
    const events = at.events.filter(({ type }) => type === 'device.consent')
    expect(events.map(({ outcome, sub, detail }) => [outcome, sub, detail])).to.deep.equal([
      ['failure', 'user-1', 'denied by the user'],
    ])
  })

  it('is not said to be lost to whoever sends the form again', async () => {
    const device = await begun()
    const first = await shown(at, device)
    const answers = [await answered(at, first, 'allow'), await answered(at, first, 'allow')]
    expect(answers).to.deep.equal(['Done', 'Nothing left to decide'])
    expect((await poll(at, device)).status).to.equal(200)
  })

  it('brings nothing to an account that was disabled since', async () => {
    const device = await begun()
    await decide(at, device, 'allow')
    at.disabled.add('user-1')
    expect((await poll(at, device)).body.error).to.equal('invalid_grant')
  })

  it('narrows its tokens to a resource, and to none besides (RFC 8707 section 2.2)', async () => {
    const one = new URLSearchParams({ scope: 'file.read', resource: RESOURCE })
    const device = await begun(one.toString())
    await decide(at, device, 'allow')
    const strange = await poll(at, device, { resource: OTHER_RESOURCE })
    expect(strange.body.error).to.equal('invalid_target')
    one.append('resource', OTHER_RESOURCE)
    const both = await begun(one.toString())
    await decide(at, both, 'allow')
    const { body } = await poll(at, both, { resource: OTHER_RESOURCE })
    expect(decodeJwt(body.access_token).aud).to.equal(OTHER_RESOURCE)
  })

  it('is bound to the key that began it, and that another was shown is audited', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const jwk = await exportJWK(publicKey)
    const proof = (nonce: string) =>
      new SignJWT({ htm: 'POST', htu: 'https://as.test/device_authorization', jti: nonce, nonce })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt(at.now / 1000)
        .sign(privateKey)
    const refused = await post(at, '/device_authorization', {
      client_id: 'fuse',
      scope: 'file.read',
    }).set('DPoP', await proof('none'))
    const nonce = refused.headers['dpop-nonce'] ?? ''
    const device = await begun('scope=file.read', await proof(nonce))
    await decide(at, device, 'allow')
    expect((await poll(at, device)).body.error).to.equal('invalid_grant')
    const event = at.events.at(-1)
    expect([event?.type, event?.outcome, event?.detail]).to.deep.equal([
      'device.redeem',
      'failure',
      'the device code is bound to another DPoP key',
    ])
  })

  it('brings a refresh token only to a client that may use it', async () => {
    const client = await at.store.client('fuse')
    if (client === undefined) throw new Error('there is no client')
    await at.store.saveClient({ ...client, grant_types: [DEVICE_GRANT] })
    const device = await begun()
    await decide(at, device, 'allow')
    const { body } = await poll(at, device)
    expect(body).to.have.property('access_token')
    expect(body).to.not.have.property('refresh_token')
  })
})

describe('authorizations that nobody has agreed to yet (RFC 9126 section 2.3)', () => {
  it('are bounded for each client, which is audited once in a while', async () => {
    const at = await world({ unfinishedPerClient: 2 })
    const device = () =>
      post(at, '/device_authorization', { client_id: 'fuse', scope: 'file.read' })
    const push = () => post(at, '/par', { ...authorizeQuery(), client_id: 'fuse' })
    expect((await device()).status).to.equal(200)
    expect((await push()).status).to.equal(201)
    for (const ask of [push, device, push]) {
      const { status, headers } = await ask()
      expect([status, headers['retry-after']]).to.deep.equal([429, '300'])
    }
    const events = at.events.filter(({ type }) => type === 'client.limited')
    expect(events.map(({ client_id }) => client_id)).to.deep.equal(['fuse'])
    at.now += 5 * MINUTE
    expect((await push()).status).to.equal(201)
  })
})

describe('a pushed request (RFC 9126 section 2.1)', () => {
  it('repeats no parameter, known or not', async () => {
    const at = await world()
    for (const repeated of ['state=a&state=b', 'foo=a&foo=b']) {
      const query = new URLSearchParams(authorizeQuery({ state: '' })).toString()
      const { status, body } = await supertest(at.app)
        .post('/par')
        .type('form')
        .send(`${query}&${repeated}`)
      expect([status, body.error], repeated).to.deep.equal([400, 'invalid_request'])
    }
  })

  it('is kept without the credentials that came with it', async () => {
    const at = await world({ registration: 'open' })
    const redirect_uri = 'https://rp.test/cb'
    const { body } = await supertest(at.app)
      .post('/register')
      .send({ redirect_uris: [redirect_uri], token_endpoint_auth_method: 'client_secret_post' })
    const { client_id, client_secret } = body
    const pushed = await post(at, '/par', {
      ...authorizeQuery({ redirect_uri, client_id }),
      client_secret,
    })
    expect(pushed.status).to.equal(201)
    const kept = at.database.prepare('SELECT parameters FROM pushed_requests').pluck().all()
    expect(JSON.stringify(kept)).to.include('code_challenge').and.not.include(client_secret)
  })
})
