import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { post, type World, world } from './fixture.js'

/** One who proves a key. */
async function prover() {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  return (at: World, nonce: string) =>
    new SignJWT({
      htm: 'POST',
      htu: 'https://as.test/device_authorization',
      jti: 'the same',
      nonce,
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt(at.now / 1000)
      .sign(privateKey)
}

describe('the identifier of a DPoP proof (RFC 9449 section 11.1)', () => {
  it('counts once for its key, and takes nothing from another key', async () => {
    const at = await world()
    const [one, other] = [await prover(), await prover()]
    const sent = (proof: string) =>
      post(at, '/device_authorization', { client_id: 'fuse', scope: 'file.read' }).set(
        'DPoP',
        proof,
      )
    const nonce = (await sent(await one(at, ''))).headers['dpop-nonce'] ?? ''
    const proof = await one(at, nonce)
    expect((await sent(proof)).status).to.equal(200)
    const again = await sent(proof)
    expect([again.status, again.body.error]).to.deep.equal([400, 'invalid_dpop_proof'])
    expect((await sent(await other(at, nonce))).status).to.equal(200)
  })
})
