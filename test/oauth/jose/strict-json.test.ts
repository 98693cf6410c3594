import { expect } from 'chai'
import { strictObject } from '../../../oauth/jose/strict-json.js'

describe('strictObject (RFC 7515 section 4)', () => {
  const cases: [text: string, isTaken: boolean][] = [
    ['{}', true],
    ['{"a":{"a":1},"b":[{"a":1},{"a":2}]}', true],
    ['{"a":"{\\"a\\":1,\\"a\\":2}"}', true],
    ['{"a":1,"b":":","c":"a"}', true],
    [`{"a":${'['.repeat(31)}${']'.repeat(31)}}`, true],
    [`{"a":${'['.repeat(32)}${']'.repeat(32)}}`, false],
    ['{"a":1,"a":2}', false],
    ['{"a":1,"\\u0061":2}', false],
    ['{"x":[{"a":1,"a":1}]}', false],
    ['[]', false],
    ['null', false],
    ['{"a":1', false],
  ]
  for (const [text, isTaken] of cases) {
    it(`${isTaken ? 'takes' : 'refuses'} ${text}`, () => {
      expect(strictObject(text) !== undefined).to.equal(isTaken)
    })
  }
})
