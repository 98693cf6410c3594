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
  const fresh = { etag: '"1-1"', modified: BigInt(now.getTime()) * 1_000_000n }
  const rows: [field: string | undefined, of: typeof current, expected: boolean][] = [
    [undefined, current, true],
    ['"1-1"', current, true],
    ['"1-2"', current, false],
    ['W/"1-1"', current, false],
    [exactly, current, true],
    [before, current, false],
    ['Thu, 01 Jan 2026 00:00:01 GMT', current, false],
    ['nonsense', current, false],
    // modified in this very second: the date is weak
    ['Fri, 02 Jan 2026 03:04:05 GMT', fresh, false],
  ]
  for (const [field, of, expected] of rows) {
    it(`${field} is ${expected}`, () => {
      expect(rangeApplies(field, of, now)).to.equal(expected)
    })
  }
})
