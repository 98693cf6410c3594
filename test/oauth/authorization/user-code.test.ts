import { expect } from 'chai'
import { parseUserCode } from '../../../oauth/authorization/user-code.js'

describe('parseUserCode (RFC 8628 section 6.1)', () => {
  const cases: [entered: string, letters: string | undefined][] = [
    ['WDJB-MJHT', 'WDJBMJHT'],
    [' wdjb mjht. ', 'WDJBMJHT'],
    ['WDJBMJH', undefined],
    ['WDJB-MJHTT', undefined],
    ['AEIO-UAEI', undefined],
    ['', undefined],
  ]
  for (const [entered, letters] of cases) {
    it(`reads ${JSON.stringify(entered)} as ${letters}`, () => {
      expect(parseUserCode(entered)).to.equal(letters)
    })
  }
})
