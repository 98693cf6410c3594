import { expect } from 'chai'
import { CommandError } from '../../../client/command-error.js'
import { limitedRate, Pace, parseRateLimit } from '../../../client/remote/rate-limit.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'

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

  it('has no program wait for what is read ahead, of which it fetches no more than its share', async () => {
    const asked: number[] = []
    const files = {
      async read(_: number, __: number, length: number) {
        asked.push(length)
        return { data: Buffer.alloc(length) }
      },
    } as unknown as RemoteFiles
    const limited = limitedRate(files, { download: 1 << 20 }, () => performance.now())
    const long = 4 << 20
    const given = new AbortController()
    const ahead = [0, 1, 2, 3].map((at) => limited.read(1, at * long, long, given.signal))
    const outcomes = Promise.allSettled(ahead)
    await ahead[0]
    await limited.read(2, 0, 1000)
    expect(asked).to.deep.equal([long, 1000])
    given.abort()
    const [, ...others] = (await outcomes).map((one) => one.status)
    expect(others).to.deep.equal(['rejected', 'rejected', 'rejected'])
    expect(asked).to.deep.equal([long, 1000])
  })

  it('lets what is read ahead come, too, while a program reads without a pause', async () => {
    const files = {
      read: async (_: number, __: number, length: number) => ({ data: Buffer.alloc(length) }),
    } as unknown as RemoteFiles
    const limited = limitedRate(files, { download: 64 << 20 }, () => performance.now())
    await limited.read(1, 0, 1 << 20)
    let isThere = false
    const ahead = limited.read(2, 0, 4 << 20).then(() => {
      isThere = true
    })
    for (let reads = 0; reads < 100 && !isThere; reads++) await limited.read(1, 0, 1 << 20)
    expect(isThere).to.equal(true)
    await ahead
  })

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
