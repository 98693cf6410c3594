import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import supertest from 'supertest'
import { code, post, redeem, type World, world } from './fixture.js'

/** One who proves a key; `claims` say for which request. */
async function prover() {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  return (at: World, claims: JWTPayload) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt(at.now / 1000)
      .sign(privateKey)
}
type Prove = Awaited<ReturnType<typeof prover>>

describe('the identifier of a DPoP proof (RFC 9449 section 11.1)', () => {
  it('counts once for its key, and takes nothing from another key', async () => {
    const at = await world()
    const [one, other] = [await prover(), await prover()]
    const request = { htm: 'POST', htu: 'https://as.test/device_authorization', jti: 'the same' }
    const sent = (proof: string) =>
      post(at, '/device_authorization', { client_id: 'fuse', scope: 'file.read' }).set(
        'DPoP',
        proof,
      )
    const nonce = (await sent(await one(at, request))).headers['dpop-nonce'] ?? ''
    const proof = await one(at, { ...request, nonce })
    expect((await sent(proof)).status).to.equal(200)
    const again = await sent(proof)
    expect([again.status, again.body.error]).to.deep.equal([400, 'invalid_dpop_proof'])
    expect((await sent(await other(at, { ...request, nonce }))).status).to.equal(200)
  })
})

describe('an access token that is bound to a key (RFC 9449 section 7.1)', () => {
  let at: World
  let prove: Prove
  let access_token: string
  let nonce: string
  async function beginAnew(): Promise<void> {
    at = await world()
    prove = await prover()
    const request = { htm: 'POST', htu: 'https://as.test/token' }
    const asked = await redeem(at, 'x').set('DPoP', await prove(at, { ...request, jti: '1' }))
    nonce = asked.headers['dpop-nonce'] ?? ''
    const proof = await prove(at, { ...request, nonce, jti: '2' })
    access_token = (await redeem(at, await code(at)).set('DPoP', proof)).body.access_token
  }
  beforeEach(beginAnew)

  const proofBy = (by: Prove, jti: string) =>
    by(at, {
      ...{ htm: 'GET', htu: 'https://as.test/files/x', nonce, jti },
      ath: createHash('sha256').update(access_token).digest('base64url'),
    })

  /** The status, and the error of the challenge of DPoP. */
  async function shown(fields: Record<string, string>): Promise<[number, string | undefined]> {
    const { status, headers } = await supertest(at.app).get('/files/x').set(fields)
    const [, dpop = ''] = (headers['www-authenticate'] ?? '').split(/(?:^|, )DPoP /)
    return [status, /^error="([^"]*)"/.exec(dpop)?.[1]]
  }

  it('needs a proof, and of that key', async () => {
    const Authorization = `DPoP ${access_token}`
    expect(await shown({ Authorization })).to.deep.equal([401, 'invalid_dpop_proof'])
    const other = await proofBy(await prover(), 'a')
    expect(await shown({ Authorization, DPoP: other })).to.deep.equal([401, 'invalid_token'])
    const own = await proofBy(prove, 'b')
    expect(await shown({ Authorization, DPoP: own })).to.deep.equal([200, undefined])
  })

  it('is challenged for a nonce by the first challenge, which is all that some clients read', async () => {
    nonce = ''
    const fields = { Authorization: `DPoP ${access_token}`, DPoP: await proofBy(prove, 'a') }
    const { status, headers } = await supertest(at.app).get('/files/x').set(fields)
    expect(status).to.equal(401)
    expect(headers['www-authenticate']).to.match(/^DPoP error="use_dpop_nonce", .*, Bearer realm=/)
  })

  it('is no bearer token, even right after a proof', async () => {
    const DPoP = await proofBy(prove, 'a')
    expect((await shown({ Authorization: `DPoP ${access_token}`, DPoP }))[0]).to.equal(200)
    for (const fields of [{}, { DPoP: await proofBy(prove, 'b') }]) {
      const Authorization = `Bearer ${access_token}`
      expect((await shown({ Authorization, ...fields }))[0]).to.equal(401)
    }
  })

  it('is audited when it is shown without its key, once for many times', async () => {
    const refusals = () =>
      at.events
        .filter(({ type }) => type === 'token.refuse')
        .map(({ outcome, sub, client_id, grantId, address, detail }) => {
          expect([outcome, sub, client_id]).to.deep.equal(['failure', 'user-1', 'fuse'])
          expect(grantId).to.be.a('string')
          expect(address).to.be.a('string').that.is.not.empty
          return detail
        })
    const other = await prover()
    const ways: readonly [() => Promise<Record<string, string>>, string][] = [
      [async () => ({ Authorization: `Bearer ${access_token}` }), 'is bound to a key'],
      [async () => ({ Authorization: `DPoP ${access_token}` }), 'proof is missing'],
      [
        async () => ({ Authorization: `DPoP ${access_token}`, DPoP: await proofBy(other, 'c') }),
        'bound to another key',
      ],
    ]
    for (const [fields, detail] of ways) {
      const before = refusals().length
      for (let n = 0; n < 3; n++) expect((await shown(await fields()))[0]).to.equal(401)
      expect(refusals()).to.have.length(before + 1)
      expect(refusals().at(-1)).to.include(detail)
      await beginAnew()
    }
    // Who has a network of addresses fills no log.
    const told = async (localAddress: string) => {
      const request = supertest(at.app).get('/files/x').agent(new Agent({ localAddress }))
      expect((await request.set('Authorization', `Bearer ${access_token}`)).status).to.equal(401)
      return refusals().length
    }
    expect([await told('127.0.0.2'), await told('127.0.0.3')]).to.deep.equal([1, 1])
    await beginAnew()
    // To be told the nonce is no misdeed.
    nonce = 'an old one'
    const Authorization = `DPoP ${access_token}`
    const asked = await shown({ Authorization, DPoP: await proofBy(prove, 'd') })
    expect(asked).to.deep.equal([401, 'use_dpop_nonce'])
    expect(refusals()).to.deep.equal([])
  })
})
