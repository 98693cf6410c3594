import { expect } from 'chai'
import { parseForm } from '../../../oauth/http/parameters.js'
import { errorCodeOf } from '../error-code.js'

describe('parseForm (RFC 6749 appendix B)', () => {
  it('reads "+" as a space and percent-encoded UTF-8', () => {
    expect(parseForm('a=b+c&d=%2B%C3%A9&e').pairs).to.deep.equal([
      ['a', 'b c'],
      ['d', '+é'],
    ])
  })
  for (const text of ['a=%ff', 'a=%zz', 'a=%', '%=a', `${'a&'.repeat(101)}`]) {
    it(`refuses ${text.slice(0, 10)}`, () => {
      expect(errorCodeOf(() => parseForm(text))).to.equal('invalid_request')
    })
  }
  it('refuses repeated parameters, but for resource', () => {
    expect(errorCodeOf(() => parseForm('a=1&a=2').rejectRepeated())).to.equal('invalid_request')
    expect(errorCodeOf(() => parseForm('a=1&a=2').optional('a'))).to.equal('invalid_request')
    expect(errorCodeOf(() => parseForm('a=1&a=').rejectRepeated())).to.equal(undefined)
    expect(errorCodeOf(() => parseForm('resource=1&resource=2').rejectRepeated())).to.equal(
      undefined,
    )
  })
})
