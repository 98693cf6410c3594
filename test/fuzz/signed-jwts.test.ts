import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { expect } from 'chai'
import { Http, json } from '../conformance/support/http.js'
import { sha256 } from '../conformance/support/values.js'
import { startServer, type TestServer } from '../support/server.js'
import { anything } from './oauth-requests.js'
import { random } from './random.js'

/** Requests of each kind; the full run is COFFER_FUZZ_ROUNDS=10000. */
const ROUNDS = Number(process.env.COFFER_FUZZ_ROUNDS ?? 1000)
const SEED = Number(process.env.COFFER_FUZZ_SEED ?? Date.now() % 2 ** 32)
const AT_ONCE = 16

interface Key {
  readonly privateKey: KeyObject
  readonly jwk: object
}

function newKey(): Key {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, jwk: publicKey.export({ format: 'jwk' }) }
}

/** A JWT whose signature is good, whatever it says. */
function signed({ privateKey }: Key, header: object, claims: object): string {
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

const now = () => Date.now() / 1000

/** What only the owner of a key can send: the signature is good, and the checks behind it see everything. */
describe(`JWTs that are signed well and say odd things, ${ROUNDS} of each kind (seed ${SEED})`, () => {
  const key = newKey()
  const { below, one, many, ...rest } = random(SEED)
  const source = { below, one, many, ...rest }
  let server: TestServer
  let http: Http
  let client_id = ''
  let nonce = ''
  let token = ''

  /** Some of the members replaced, left out, or a little off. */
  function odd<Members extends object>(good: Members): object {
    const changed = { ...good } as Record<string, unknown>
    const names = [...Object.keys(good), 'nbf', 'crit', 'b64', '__proto__', 'constructor']
    for (const name of many(2, () => one(names))) {
      const value = changed[name]
      changed[name] =
        typeof value === 'number' && below(2) === 0
          ? value + one([0.5, 1e-4, -0.000_123, 3, -3, 1e9, -1e300])
          : anything(source)
    }
    return changed
  }

  const assertion = () => {
    const time = { iat: Math.floor(now()), exp: Math.floor(now()) + 60 }
    const good = { iss: client_id, sub: client_id, aud: server.issuer, jti: randomUUID(), ...time }
    return signed(key, odd({ alg: 'ES256', typ: 'JWT', kid: 'k' }), odd(good))
  }
  const proof = (htm: string, path: string, more: object = {}) => {
    const good = { htm, htu: server.issuer + path, jti: randomUUID(), nonce, ...more }
    const header = odd({
      typ: 'dpop+jwt',
      alg: 'ES256',
      jwk: below(8) === 0 ? odd(key.jwk) : key.jwk,
    })
    return signed(key, header, odd({ ...good, iat: Math.floor(now()) }))
  }
  /** From everywhere: an address may not be wrong so often. */
  const from = () => ({ 'x-forwarded-for': `10.${below(256)}.${below(256)}.${below(256)}` })
  const ask = (client_assertion: string, dpop: string) =>
    http.post(
      `${server.issuer}/token`,
      {
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion,
      },
      { dpop, ...from() },
    )
  const goodAssertion = () => {
    const claims = { iss: client_id, sub: client_id, aud: server.issuer, jti: randomUUID() }
    return signed(key, { alg: 'ES256' }, { ...claims, exp: Math.floor(now()) + 60 })
  }
  const goodProof = () => {
    const claims = { htm: 'POST', htu: `${server.issuer}/token`, jti: randomUUID(), nonce }
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk }
    return signed(key, header, { ...claims, iat: Math.floor(now()) })
  }

  before(async () => {
    server = await startServer({
      env: { COFFER_REGISTRATION: 'open', COFFER_TRUST_PROXY: '127.0.0.0/8,::1/128' },
    })
    http = new Http(server.ca)
    const registered = await http.send('POST', `${server.issuer}/register`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        token_endpoint_auth_method: 'private_key_jwt',
        grant_types: ['client_credentials'],
        jwks: { keys: [{ ...key.jwk, kid: 'k' }] },
      }),
    })
    client_id = String(json(registered).client_id)
    const first = await ask(goodAssertion(), goodProof())
    nonce = String(first.headers['dpop-nonce'])
    token = String(json(await ask(goodAssertion(), goodProof())).access_token)
  })
  after(() => server?.remove())

  const kinds: [what: string, send: () => ReturnType<Http['get']>][] = [
    ['client assertions', () => ask(assertion(), goodProof())],
    ['proofs at the token endpoint', () => ask(goodAssertion(), proof('POST', '/token'))],
    [
      'proofs at the file API',
      () =>
        http.get(`${server.issuer}/files/`, {
          authorization: `DPoP ${token}`,
          dpop: proof('GET', '/files/', { ath: sha256(token) }),
          ...from(),
        }),
    ],
  ]
  for (const [what, send] of kinds) {
    it(`${what} are taken, or refused for their own fault`, async () => {
      const tally = { taken: 0, refused: 0 }
      const faults: unknown[] = []
      let left = ROUNDS
      const work = async () => {
        while (left-- > 0 && faults.length === 0) {
          const { status, body } = await send()
          if (status >= 500) faults.push([status, body])
          else if (status === 200 || status === 403) tally.taken++
          else tally.refused++
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      expect(faults).to.deep.equal([])
      expect(tally.taken, 'taken').to.be.above(ROUNDS / 100)
      expect(tally.refused, 'refused').to.be.above(ROUNDS / 100)
    })
  }
}).timeout(600_000)
