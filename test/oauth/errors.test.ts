import { expect } from 'chai'
import { OAuthError } from '../../oauth/errors.js'

describe('OAuthError', () => {
  it('keeps its description to the characters of RFC 6749 section 5.2', () => {
    expect(new OAuthError('invalid_scope', 'a "b" \\ é\n').message).to.equal("a 'b' ? ??")
  })
})
