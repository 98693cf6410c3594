import { expect } from 'chai'
import { lastModified, parseHttpDate, wholeSeconds } from '../../../server/http/date.js'

describe('HTTP-date (RFC 9110 section 5.6.7)', () => {
  const now = new Date('2026-01-02T03:04:05Z')
  const sample = Date.UTC(1994, 10, 6, 8, 49, 37) / 1000

  const dates: [field: string, expected: number | undefined][] = [
    ['Sun, 06 Nov 1994 08:49:37 GMT', sample],
    ['Sunday, 06-Nov-94 08:49:37 GMT', sample],
    ['Sun Nov  6 08:49:37 1994', sample],
    // two digits of year: at most 50 years ahead
    ['Monday, 06-Nov-76 08:49:37 GMT', Date.UTC(2076, 10, 6, 8, 49, 37) / 1000],
    ['Sunday, 06-Nov-77 08:49:37 GMT', Date.UTC(1977, 10, 6, 8, 49, 37) / 1000],
    ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1) / 1000],
    ['Wed, 31 Dec 1969 23:59:59 GMT', -1],
    ['Tue, 29 Feb 2000 00:00:00 GMT', Date.UTC(2000, 1, 29) / 1000],
    ['Thu, 29 Feb 1900 00:00:00 GMT', undefined],
    ['Sun, 06 Nov 1994 24:00:00 GMT', undefined],
    ['Sun, 06 Nov 1994 08:60:00 GMT', undefined],
    ['Sun, 00 Nov 1994 08:49:37 GMT', undefined],
    ['Sun, 6 Nov 1994 08:49:37 GMT', undefined],
    ['sun, 06 nov 1994 08:49:37 gmt', undefined],
    ['Sun, 06 Nov 1994 08:49:37 +0000', undefined],
    ['1994-11-06T08:49:37Z', undefined],
    ['784111777', undefined],
    ['', undefined],
  ]
  for (const [field, expected] of dates) {
    it(`reads "${field}" as ${expected}`, () => {
      expect(parseHttpDate(field, now)).to.equal(expected)
    })
  }

  const times: [time: bigint, expected: string][] = [
    [0n, 'Thu, 01 Jan 1970 00:00:00 GMT'],
    [1_999_999_999n, 'Thu, 01 Jan 1970 00:00:01 GMT'],
    [-1n, 'Wed, 31 Dec 1969 23:59:59 GMT'],
    // never later than the answer itself (section 8.8.2.1)
    [4_000_000_000_000_000_000n, 'Fri, 02 Jan 2026 03:04:05 GMT'],
  ]
  for (const [time, expected] of times) {
    it(`writes ${time} ns as ${expected}`, () => {
      expect(lastModified(time, now)).to.equal(expected)
    })
  }

  it('rounds down, also before the epoch', () => {
    expect([-1_000_000_001n, -1_000_000_000n, 0n, 999_999_999n].map(wholeSeconds)).to.deep.equal([
      -2, -1, 0, 0,
    ])
  })
})
