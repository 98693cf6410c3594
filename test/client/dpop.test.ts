import { createHash, type JsonWebKey } from 'node:crypto'
import { expect } from 'chai'
import { calculateJwkThumbprint, decodeProtectedHeader, importJWK, type JWK, jwtVerify } from 'jose'
import { DpopKey, wantsNonce } from '../../client/dpop.js'

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
    key.learnNonce(url, 'fresh')
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

  it('tells a request for a nonce from other refusals', () => {
    const headers = { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': 'n' }
    expect(wantsNonce({ headers, body: Buffer.alloc(0) })).to.equal(true)
    expect(
      wantsNonce({
        headers: { ...headers, 'www-authenticate': 'DPoP error="invalid_token"' },
        body: Buffer.alloc(0),
      }),
    ).to.equal(false)
  })
})
