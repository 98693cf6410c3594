import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { cookieKey } from '../../../server/accounts/cookie-key.js'

describe('the key of cookies', () => {
  const key = cookieKey(randomBytes(32))
  const signature = key.sign('__Host-coffer=value')

  const cases: [title: string, data: string, signature: string, index: number][] = [
    ['what it has signed', '__Host-coffer=value', signature, 0],
    ['other data', '__Host-coffer=other', signature, -1],
    ['a signature that was cut off', '__Host-coffer=value', signature.slice(0, -1), -1],
    ['no signature', '__Host-coffer=value', '', -1],
    ['what another key has signed', 'a', cookieKey(randomBytes(32)).sign('a'), -1],
  ]
  for (const [title, data, signed, index] of cases) {
    it(`${index === 0 ? 'knows' : 'refuses'} ${title}`, () => {
      expect(key.index(data, signed)).to.equal(index)
      expect(key.verify(data, signed)).to.equal(index === 0)
    })
  }
})
