import { expect } from 'chai'
import { parseScope, scopeWithin } from '../../../oauth/tokens/scope.js'
import { errorCodeOf } from '../error-code.js'

describe('scopes (RFC 6749 section 3.3)', () => {
  it('reads what the grammar allows, each once', () => {
    expect(parseScope('a b a !#[]~')).to.deep.equal(['a', 'b', '!#[]~'])
  })
  for (const scope of ['', ' a', 'a ', 'a  b', 'a"', 'a\\', 'ä', 'a\tb']) {
    it(`refuses ${JSON.stringify(scope)}`, () => {
      expect(errorCodeOf(() => parseScope(scope))).to.equal('invalid_scope')
    })
  }
  it('compares case-sensitively', () => {
    expect(errorCodeOf(() => scopeWithin('A', 'a b'))).to.equal('invalid_scope')
    expect(scopeWithin('b', 'a b')).to.deep.equal(['b'])
  })
})
