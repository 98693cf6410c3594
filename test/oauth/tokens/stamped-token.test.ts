import { expect } from 'chai'
import { digestOf, randomSecret } from '../../../oauth/secrets.js'
import {
  newRefreshToken,
  refreshTokenDigest,
  successorOf,
} from '../../../oauth/tokens/stamped-token.js'

const KEY = Buffer.alloc(32, 7)
const NOW = Date.UTC(2026, 0, 1)
/** The last that nine digits of base 36 hold, in the year 5188. */
const LAST = 36 ** 9 - 1

describe('refresh tokens that begin with the time of their issue', () => {
  it('have digests in the order of their issue, and of different tokens different ones', () => {
    const times = [0, 1, 35, 36, NOW, NOW + 1, NOW + 35, NOW + 36, LAST]
    const digests = times.map((at) => refreshTokenDigest(newRefreshToken(at)))
    expect([...digests].sort()).to.deep.equal(digests)
    const twins = Array.from({ length: 1000 }, () => refreshTokenDigest(newRefreshToken(NOW)))
    expect(new Set(twins).size).to.equal(twins.length)
  })

  it('show nothing of what guessing them needs', () => {
    const token = newRefreshToken(NOW)
    const secret = token.slice(10)
    expect(Buffer.from(secret, 'base64url')).to.have.length(32)
    expect(refreshTokenDigest(token)).not.to.include(secret)
    expect(refreshTokenDigest(token)).to.include(digestOf(token))
  })

  it('are followed by one that depends on the token, the time and the key', () => {
    const token = newRefreshToken(NOW)
    const successor = successorOf(token, NOW + 5, KEY)
    expect(successorOf(token, NOW + 5, KEY)).to.equal(successor)
    const others = [
      successorOf(newRefreshToken(NOW), NOW + 5, KEY),
      successorOf(token, NOW + 6, KEY),
      successorOf(token, NOW + 5, Buffer.alloc(32, 8)),
    ]
    const secrets = [successor, ...others].map((one) => one.slice(10))
    expect(new Set(secrets).size).to.equal(4)
    expect(successor.slice(10)).not.to.equal(successorOf(successor, NOW + 5, KEY).slice(10))
  })

  it('are found by their digest alone where they are older and have no such time', () => {
    const old = randomSecret()
    expect(refreshTokenDigest(old)).to.equal(digestOf(old))
    expect(refreshTokenDigest('')).to.equal(digestOf(''))
  })
})
