import { expect } from 'chai'
import { CommandError } from '../../client/command-error.js'
import { Pace, parseRateLimit } from '../../client/rate-limit.js'

describe('a rate limit', () => {
  const cases: [input: string, upload: number | undefined, download: number | undefined][] = [
    ['1000', 1000, 1000],
    ['500k', 512_000, 512_000],
    ['1.5M', 1_572_864, 1_572_864],
    ['2MiB/s', 2_097_152, 2_097_152],
    ['1M:', 1_048_576, undefined],
    [':1G', undefined, 1_073_741_824],
    ['1k:2k', 1024, 2048],
  ]
  for (const [input, upload, download] of cases) {
    it(`reads ${input}`, () => {
      expect(parseRateLimit(input)).to.deep.equal({ upload, download })
    })
  }

  for (const input of ['', ':', '0', '-1', 'fast', '1:2:3', '1x']) {
    it(`refuses "${input}"`, () => {
      expect(() => parseRateLimit(input)).to.throw(CommandError)
    })
  }

  it('lets a second of bytes pass in a second, and what came first goes first', () => {
    let now = 0
    const pace = new Pace(1000, () => now)
    expect(pace.turn(500)).to.deep.equal({ begins: 0, ends: 500 })
    expect(pace.turn(500)).to.deep.equal({ begins: 500, ends: 1000 })
    expect(pace.turn(1)).to.deep.equal({ begins: 1000, ends: 1001 })
    now = 5000
    expect(pace.turn(1)).to.deep.equal({ begins: 0, ends: 1 })
  })
})
