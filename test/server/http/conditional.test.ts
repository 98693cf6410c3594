import { expect } from 'chai'
import { conditions, evaluate, rangeApplies } from '../../../server/http/conditional.js'

const now = new Date('2026-01-02T03:04:05Z')
const modified = BigInt(Date.parse('2026-01-01T00:00:00Z')) * 1_000_000n + 5n
const before = 'Wed, 31 Dec 2025 23:59:59 GMT'
const exactly = 'Thu, 01 Jan 2026 00:00:00 GMT'
const current = { etag: '"1-1"', modified }

describe('evaluate (RFC 9110 section 13.2.2)', () => {
  type Row = [fields: Record<string, string>, read: string, write: string, absent: string]
  const rows: Row[] = [
    [{}, 'proceed', 'proceed', 'proceed'],
    [{ 'if-match': '"1-1"' }, 'proceed', 'proceed', 'failed'],
    [{ 'if-match': '"1-2"' }, 'failed', 'failed', 'failed'],
    [{ 'if-match': 'W/"1-1"' }, 'failed', 'failed', 'failed'],
    [{ 'if-match': '*' }, 'proceed', 'proceed', 'failed'],
    [{ 'if-none-match': '*' }, 'notModified', 'failed', 'proceed'],
    [{ 'if-none-match': '"1-1"' }, 'notModified', 'failed', 'proceed'],
    [{ 'if-none-match': 'W/"1-1"' }, 'notModified', 'failed', 'proceed'],
    [{ 'if-none-match': '"1-2"' }, 'proceed', 'proceed', 'proceed'],
    [{ 'if-unmodified-since': exactly }, 'proceed', 'proceed', 'proceed'],
    [{ 'if-unmodified-since': before }, 'failed', 'failed', 'proceed'],
    [{ 'if-unmodified-since': 'yesterday' }, 'proceed', 'proceed', 'proceed'],
    [{ 'if-modified-since': exactly }, 'notModified', 'proceed', 'proceed'],
    [{ 'if-modified-since': before }, 'proceed', 'proceed', 'proceed'],
    [{ 'if-modified-since': 'yesterday' }, 'proceed', 'proceed', 'proceed'],
    // If-Match makes If-Unmodified-Since count for nothing
    [{ 'if-match': '"1-1"', 'if-unmodified-since': before }, 'proceed', 'proceed', 'failed'],
    // If-None-Match makes If-Modified-Since count for nothing
    [{ 'if-none-match': '"x"', 'if-modified-since': exactly }, 'proceed', 'proceed', 'proceed'],
    // If-Match comes before If-None-Match
    [{ 'if-match': '"x"', 'if-none-match': '"1-1"' }, 'failed', 'failed', 'failed'],
    [{ 'if-match': '"1-1"', 'if-none-match': '"1-1"' }, 'notModified', 'failed', 'failed'],
    [
      { 'if-unmodified-since': exactly, 'if-modified-since': exactly },
      'notModified',
      'proceed',
      'proceed',
    ],
  ]
  for (const [fields, read, write, absent] of rows) {
    it(JSON.stringify(fields), () => {
      const asked = conditions(fields, now)
      expect([
        evaluate(asked, 'read', current).kind,
        evaluate(asked, 'write', current).kind,
        evaluate(asked, 'write', undefined).kind,
      ]).to.deep.equal([read, write, absent])
    })
  }
})

describe('rangeApplies (RFC 9110 section 13.1.5)', () => {
  const rows: [field: string | undefined, expected: boolean][] = [
    [undefined, true],
    ['"1-1"', true],
    ['"1-2"', false],
    ['W/"1-1"', false],
    // a date can be set back: it is no strong validator
    [exactly, false],
    [before, false],
    ['nonsense', false],
  ]
  for (const [field, expected] of rows) {
    it(`${field} is ${expected}`, () => {
      expect(rangeApplies(field, current)).to.equal(expected)
    })
  }
})
