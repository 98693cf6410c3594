import { expect } from 'chai'
import { deriveKeys, randomId, randomSecret } from '../../oauth/secrets.js'

const ISSUED = 10_000

/** How often each of the 64 values came, over all places of a base64url text; the last carries fewer bits. */
function counts(texts: readonly string[]): number[] {
  const seen = new Map<string, number>()
  for (const text of texts) {
    for (const letter of text.slice(0, -1)) seen.set(letter, (seen.get(letter) ?? 0) + 1)
  }
  return [...seen.values()]
}

describe('secrets and identifiers', () => {
  for (const [name, make, bits] of [
    ['a secret (RFC 6749 section 10.10)', randomSecret, 256],
    ['an identifier such as jti (RFC 9068 section 2.2)', randomId, 128],
  ] as const) {
    it(`${name}: ${ISSUED} differ, have ${bits} bits and favour none of them`, () => {
      const made = Array.from({ length: ISSUED }, make)
      expect(new Set(made).size).to.equal(ISSUED)
      for (const each of made) expect(Buffer.from(each, 'base64url')).to.have.length(bits / 8)
      const letters = counts(made)
      expect(letters).to.have.length(64)
      const expected = letters.reduce((sum, count) => sum + count, 0) / 64
      for (const count of letters) expect(count / expected).to.be.within(0.85, 1.15)
    })
  }

  it('keys of the one secret differ for each purpose, and come out the same again', () => {
    const secret = Buffer.alloc(32, 7)
    const keys = Object.values(deriveKeys(secret)).map((key: Buffer) => key.toString('hex'))
    expect(new Set([...keys, secret.toString('hex')]).size).to.equal(keys.length + 1)
    expect(deriveKeys(secret)).to.deep.equal(deriveKeys(Buffer.alloc(32, 7)))
  })
})
