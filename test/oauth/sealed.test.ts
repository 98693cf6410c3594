import { expect } from 'chai'
import { seal, unseal } from '../../oauth/sealed.js'

describe('what is sealed', () => {
  const key = Buffer.alloc(32, 1)
  const sealed = seal(key, 'consent', 'é')

  it('opens with its key and for its purpose', () => {
    expect(unseal(key, 'consent', sealed)).to.equal('é')
  })

  const altered = Buffer.from(sealed, 'base64url')
  altered.writeUInt8(altered.readUInt8(12) ^ 1, 12)
  const others: [what: string, opened: string | undefined][] = [
    ['for another purpose', unseal(key, 'logout', sealed)],
    ['with another key', unseal(Buffer.alloc(32, 2), 'consent', sealed)],
    ['altered', unseal(key, 'consent', altered.toString('base64url'))],
    ['cut short', unseal(key, 'consent', sealed.slice(0, -2))],
    ['as nothing', unseal(key, 'consent', '')],
  ]
  for (const [what, opened] of others) {
    it(`does not open ${what}`, () => {
      expect(opened).to.equal(undefined)
    })
  }

  it('is another text each time', () => {
    expect(seal(key, 'consent', 'é')).to.not.equal(sealed)
  })
})
