import { generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import { type JWTPayload, SignJWT } from 'jose'
import { registerClient } from '../../../oauth/index.js'
import { ISSUER, post, type World, world } from './fixture.js'

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

describe('a client assertion (RFC 7523 section 3)', () => {
  let at: World
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  let client_id: string
  let made = 0
  beforeEach(async () => {
    at = await world()
    const jwk = { ...publicKey.export({ format: 'jwk' }), alg: 'RS256' }
    const accounts = { claims: async () => undefined }
    const clock = () => new Date(at.now)
    const registry = { store: at.store, accounts, scopes: ['file.read'], clock }
    const { client } = await registerClient(registry, {
      token_endpoint_auth_method: 'private_key_jwt',
      grant_types: ['client_credentials'],
      jwks: { keys: [jwk] },
    })
    client_id = client.client_id
  })

  async function status(changes: JWTPayload = {}, alg = 'RS256'): Promise<number> {
    const now = at.now / 1000
    const whose = { iss: client_id, sub: client_id, aud: ISSUER }
    const claims = { ...whose, jti: `${made++}`, iat: now, exp: now + 60, ...changes }
    const signed = new SignJWT(claims).setProtectedHeader({ alg })
    const answer = await post(at, '/token', {
      grant_type: 'client_credentials',
      client_assertion_type: JWT_BEARER,
      client_assertion: await signed.sign(privateKey),
    })
    return answer.status
  }

  it('may be as much ahead as clocks are, and no more', async () => {
    const now = at.now / 1000
    for (const claim of ['iat', 'nbf']) {
      expect(await status({ [claim]: now + 10 }), claim).to.equal(200)
      expect(await status({ [claim]: now + 11 }), claim).to.equal(401)
    }
  })

  it('is signed by the algorithm that the key is for (RFC 7517 section 4.4)', async () => {
    expect(await status()).to.equal(200)
    expect(await status({}, 'PS256')).to.equal(401)
  })
})
