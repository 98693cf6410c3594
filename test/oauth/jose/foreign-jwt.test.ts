import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, SignJWT } from 'jose'
import { parseCompactJws } from '../../../oauth/jose/compact-jws.js'
import { FOREIGN_ALGORITHMS, importedKey, isSignedBy } from '../../../oauth/jose/foreign-jwt.js'
import { ProofKeys } from '../../../oauth/jose/proof-keys.js'

const rsa = (modulusLength: number, publicExponent = 0x10001) =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent })
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
const usual = rsa(2048)
const PAIRS = { ES256: ec('P-256'), ES384: ec('P-384'), PS256: usual, RS256: usual } as const

async function signed(alg: string, key: KeyObject) {
  const token = await new SignJWT({ a: 1 }).setProtectedHeader({ alg }).sign(key)
  const jws = parseCompactJws(token)
  if (jws === undefined) throw new Error('jose made no JWT')
  return jws
}

describe('isSignedBy (RFC 7518 section 3)', () => {
  for (const alg of FOREIGN_ALGORITHMS) {
    const { publicKey, privateKey } = PAIRS[alg]
    it(`knows a signature of ${alg} from that of another key`, async () => {
      const jws = await signed(alg, privateKey)
      expect(isSignedBy(jws, importedKey(await exportJWK(publicKey)))).to.equal(true)
      const other = alg.startsWith('ES') ? ec(alg === 'ES256' ? 'P-256' : 'P-384') : rsa(2048)
      expect(isSignedBy(jws, other.publicKey)).to.equal(false)
      const changed = { ...jws, token: jws.token.replace(/\.[^.]*\./, '.eyJhIjoyfQ.') }
      expect(isSignedBy(changed, publicKey)).to.equal(false)
    })
  }

  it('takes no key of another algorithm', async () => {
    const jws = await signed('ES256', PAIRS.ES256.privateKey)
    expect(isSignedBy(jws, PAIRS.ES384.publicKey)).to.equal(false)
    expect(isSignedBy(jws, usual.publicKey)).to.equal(false)
    expect(isSignedBy(await signed('RS256', usual.privateKey), PAIRS.ES256.publicKey)).to.equal(
      false,
    )
    for (const alg of ['none', 'HS256', undefined]) {
      expect(isSignedBy({ ...jws, header: { alg } }, PAIRS.ES256.publicKey)).to.equal(false)
    }
    expect(isSignedBy(jws, importedKey({ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }))).to.equal(
      false,
    )
  })

  it('takes no RSA key that is too weak, or dear to verify with', () => {
    const input = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.e30`
    for (const [{ publicKey, privateKey }, right] of [
      [rsa(2048), true],
      [rsa(1024), false],
      [rsa(2048, 0x10003), false],
    ] as const) {
      const signature = sign('sha256', Buffer.from(input), privateKey).toString('base64url')
      const jws = { token: `${input}.${signature}`, header: { alg: 'RS256' }, claims: {} }
      expect(isSignedBy(jws, publicKey)).to.equal(right)
    }
  })
})

describe('ProofKeys', () => {
  it('keeps a thousand, the youngest', () => {
    const keys = new ProofKeys()
    for (let n = 0; n <= 1000; n++) keys.keep(String(n), usual.publicKey)
    expect(keys.get('0')).to.equal(undefined)
    expect(keys.get('1')).to.equal(usual.publicKey)
    expect(keys.get('1000')).to.equal(usual.publicKey)
  })
})
