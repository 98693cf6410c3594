import { createHash, type JsonWebKey } from 'node:crypto'
import { expect } from 'chai'
import { calculateJwkThumbprint, decodeProtectedHeader, importJWK, type JWK, jwtVerify } from 'jose'
import { DpopKey, wantsProof } from '../../../client/login/dpop.js'

describe('a DPoP key (RFC 9449 section 4.2)', () => {
  const key = DpopKey.generate(() => 1_700_000_000_000)
  const url = new URL('https://files.example.org:8443/inodes/5?xattr=a#b')
  const verified = async (proof: string): Promise<Record<string, unknown>> => {
    const { jwk } = decodeProtectedHeader(proof)
    const { payload, protectedHeader } = await jwtVerify(
      proof,
      await importJWK(jwk as JWK, 'ES256'),
      {
        currentDate: new Date(1_700_000_000_000),
      },
    )
    expect(protectedHeader).to.include({ typ: 'dpop+jwt', alg: 'ES256' })
    expect(protectedHeader.jwk).to.have.keys(['kty', 'crv', 'x', 'y'])
    return payload
  }

  it('proves method, address without query, time and token', async () => {
    const claims = await verified(key.proof({ method: 'PUT', url, access_token: 'token' }))
    expect(claims).to.deep.include({
      htm: 'PUT',
      htu: 'https://files.example.org:8443/inodes/5',
      iat: 1_700_000_000,
      ath: createHash('sha256').update('token').digest('base64url'),
    })
  })

  it('never makes the same proof twice', async () => {
    const [one, other] = [key.proof({ method: 'GET', url }), key.proof({ method: 'GET', url })]
    expect((await verified(one)).jti).to.not.equal((await verified(other)).jti)
  })

  it('puts the nonce of a server in the proofs for that server (section 8)', async () => {
    expect(key.learn(url, { 'dpop-nonce': 'fresh' })).to.equal(true)
    expect(key.learn(url, { 'dpop-nonce': 'fresh' })).to.equal(false)
    expect((await verified(key.proof({ method: 'GET', url }))).nonce).to.equal('fresh')
    const elsewhere = key.proof({ method: 'GET', url: new URL('https://other.example') })
    expect(await verified(elsewhere)).to.not.have.property('nonce')
  })

  it('has the thumbprint of RFC 7638, and is the same after it was stored', async () => {
    const { kty, crv, x, y } = key.privateJwk
    expect(key.thumbprint).to.equal(await calculateJwkThumbprint({ kty, crv, x, y } as JWK))
    const stored: JsonWebKey = JSON.parse(JSON.stringify(key.privateJwk))
    expect(new DpopKey(stored, () => 0).thumbprint).to.equal(key.thumbprint)
  })

  it('has the time of the server where the clocks are far apart (section 11.1)', async () => {
    const skewed = DpopKey.generate(() => 1_700_000_300_000)
    const headers = { date: new Date(1_700_000_000_000).toUTCString() }
    expect(skewed.learn(url, headers)).to.equal(true)
    expect(skewed.learn(url, headers)).to.equal(false)
    expect((await verified(skewed.proof({ method: 'GET', url }))).iat).to.equal(1_700_000_000)
    const near = { date: new Date(1_700_000_004_000).toUTCString() }
    expect(key.learn(new URL('https://near.example'), near)).to.equal(false)
  })

  it('tells refusals of the proof from other refusals', () => {
    const refusal = (error: string) => ({
      headers: { 'www-authenticate': `DPoP error="${error}", algs="ES256"` },
      body: Buffer.alloc(0),
    })
    const answer = (error: string) => ({
      headers: {},
      body: Buffer.from(JSON.stringify({ error })),
    })
    for (const error of ['use_dpop_nonce', 'invalid_dpop_proof']) {
      expect(wantsProof(refusal(error))).to.equal(true)
      expect(wantsProof(answer(error))).to.equal(true)
    }
    expect(wantsProof(refusal('invalid_token'))).to.equal(false)
    expect(wantsProof(answer('invalid_grant'))).to.equal(false)
  })
})
