import { expect } from 'chai'
import { FileError } from '../../../server/errors.js'
import { matchesStrongly, matchesWeakly, parseEntityTags } from '../../../server/http/etag.js'

describe('entity tags (RFC 9110 section 8.8.3)', () => {
  const strong = (opaque: string) => ({ weak: false, opaque })
  const weak = (opaque: string) => ({ weak: true, opaque })

  const lists: [field: string, expected: object][] = [
    ['*', { kind: 'any' }],
    ['"a"', { kind: 'tags', tags: [strong('"a"')] }],
    ['""', { kind: 'tags', tags: [strong('""')] }],
    ['W/"a"', { kind: 'tags', tags: [weak('"a"')] }],
    ['"a", W/"b" ,,"c,d"', { kind: 'tags', tags: [strong('"a"'), weak('"b"'), strong('"c,d"')] }],
    [' ,"a",', { kind: 'tags', tags: [strong('"a"')] }],
  ]
  for (const [field, expected] of lists) {
    it(`reads ${field}`, () => {
      expect(parseEntityTags('If-Match', field)).to.deep.equal(expected)
    })
  }

  for (const field of ['', ',', 'a', '"a', 'a"', '"a" "b"', 'w/"a"', '*, "a"', '"a b"', '"a"x']) {
    it(`refuses ${field || 'nothing'}`, () => {
      expect(() => parseEntityTags('If-Match', field))
        .to.throw(FileError)
        .with.property('code', 'EINVAL')
    })
  }

  // the table of section 8.8.3.2
  const comparisons: [asked: string, current: string, strongly: boolean, weakly: boolean][] = [
    ['W/"1"', '"1"', false, true],
    ['W/"1"', '"2"', false, false],
    ['"1"', '"1"', true, true],
    ['"2", "1"', '"1"', true, true],
    ['*', '"1"', true, true],
  ]
  for (const [asked, current, strongly, weakly] of comparisons) {
    it(`compares ${asked} with ${current}`, () => {
      const tags = parseEntityTags('If-Match', asked)
      expect([matchesStrongly(tags, current), matchesWeakly(tags, current)]).to.deep.equal([
        strongly,
        weakly,
      ])
    })
  }
})
