import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import supertest from 'supertest'
import { registerClient } from '../../../oauth/index.js'
import { randomId } from '../../../oauth/secrets.js'
import { authorizeQuery, ISSUER, post, type World } from './fixture.js'
import { atOnce, type TwoWorkers, twoWorkers, type WorkerAnswer, worker } from './two-workers.js'

const COOKIE = 'who=user-1@'

/** A request that may succeed once. */
interface Single {
  readonly form: Readonly<Record<string, string>>
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** What the user of `at` answers to a page of its own. */
async function submitted({ app }: World, path: string, fields: Record<string, string>) {
  const form = { csrf_token: 'good', ...fields }
  return supertest(app).post(path).set('Cookie', COOKIE).type('form').send(form)
}

async function deviceCode(at: World): Promise<Single> {
  const asked = { client_id: 'fuse', scope: 'file.read' }
  const { device_code, user_code } = (await post(at, '/device_authorization', asked)).body
  const { body: page } = await submitted(at, '/device', { user_code })
  await submitted(at, page.action, { ...page.fields, scope: 'file.read', decision: 'allow' })
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
  return { path: '/token', form: { grant_type, device_code }, headers: {} }
}

async function pushedRequest(at: World): Promise<Single> {
  const { request_uri } = (await post(at, '/par', authorizeQuery())).body
  const { body: page } = await supertest(at.app)
    .get('/authorize')
    .query({ client_id: 'fuse', request_uri })
    .set('Cookie', COOKIE)
  const form = { csrf_token: 'good', ...page.fields, scope: 'file.read', decision: 'allow' }
  return { path: page.action, form, headers: { Cookie: COOKIE } }
}

/** A nonce that both take: of the one whose clock is behind. */
async function proof(at: World, [, behind]: TwoWorkers['workers']): Promise<Single> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const header = { alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(publicKey) }
  const path = '/device_authorization'
  const form = { scope: 'file.read' }
  const signed = (nonce: string) =>
    new SignJWT({ htm: 'POST', htu: ISSUER + path, jti: randomId(), nonce })
      .setProtectedHeader(header)
      .setIssuedAt(at.now / 1000)
      .sign(privateKey)
  const asked = await behind.post(form, path, { DPoP: await signed('none') })
  const DPoP = await signed(asked.headers.get('dpop-nonce') ?? '')
  return { path, form, headers: { DPoP } }
}

async function assertion(at: World): Promise<Single> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const accounts = { claims: async () => undefined }
  const scopes = ['file.read']
  const registry = { store: at.store, accounts, scopes, clock: () => new Date(at.now) }
  const { client } = await registerClient(registry, {
    client_name: 'A service with a key',
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['client_credentials'],
    scope: 'file.read',
    jwks: { keys: [await exportJWK(publicKey)] },
  })
  const { client_id } = client
  const client_assertion = await new SignJWT({ jti: randomId() })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(client_id)
    .setSubject(client_id)
    .setAudience(ISSUER)
    .setExpirationTime(at.now / 1000 + 60)
    .sign(privateKey)
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  const form = { grant_type: 'client_credentials', client_id }
  return { path: '/token', form: { ...form, client_assertion_type, client_assertion }, headers: {} }
}

const SINGLE: Readonly<
  Record<string, (at: World, workers: TwoWorkers['workers']) => Promise<Single>>
> = {
  'a device code': deviceCode,
  'a pushed request': pushedRequest,
  'the identifier of a DPoP proof': proof,
  'the identifier of a client assertion': assertion,
}

/** A code, or tokens, or what else was asked for. */
function isSuccess({ status, headers }: WorkerAnswer): boolean {
  return status === 303 ? /[?&]code=/.test(headers.get('location') ?? '') : status === 200
}

describe('two processes on one database, of all else that is single use', function () {
  this.timeout(120_000)
  let two: TwoWorkers
  let here: World
  let workers: TwoWorkers['workers']

  before(async () => {
    two = await twoWorkers()
    ;({ here, workers } = two)
  })
  after(() => two?.close())

  for (const [what, single] of Object.entries(SINGLE)) {
    it(`use ${what} once`, async () => {
      for (let round = 0; round < 3; round++) {
        const { form, path, headers } = await single(here, workers)
        const answers = await atOnce(workers, 40, form, path, headers)
        for (const { status } of answers) expect(status).to.be.below(500)
        expect(answers.filter(isSuccess)).to.have.length(1)
      }
    })

    it(`use ${what} once when one of them is killed, before or after it has answered`, async () => {
      for (let round = 0; round < 2; round++) {
        const victim = await worker(two.database)
        const { form, path, headers } = await single(here, workers)
        const first = victim.post(form, path, headers).catch(() => undefined)
        if (round > 0) await first
        await victim.running.stop('SIGKILL')
        const answers = [
          await first,
          ...(await Promise.all(workers.map(({ post }) => post(form, path, headers)))),
        ]
        const successes = answers.filter((answer) => answer !== undefined && isSuccess(answer))
        expect(successes.length).to.be.within(round, 1)
      }
    })
  }
})
