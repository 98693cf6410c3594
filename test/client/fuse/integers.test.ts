import { expect } from 'chai'
import { isSame, readUnique, timespec, type Unique } from '../../../client/fuse/integers.js'

const SECOND = 1_000_000_000n

const TIMES = [
  ...['0', '1', '999999999', '1000000000', '1700000000123456789', '9223372036854775807'],
  ...['-1', '-999999999', '-1000000000', '-1000000001', '-9223372036854775808'],
]

describe('a time as struct timespec has it', () => {
  for (const time of TIMES) {
    it(`of ${time} nanoseconds`, () => {
      const { seconds, nanoseconds } = timespec(time)
      expect(nanoseconds).to.be.within(0, 999_999_999)
      expect(BigInt(seconds) * SECOND + BigInt(nanoseconds)).to.equal(BigInt(time))
    })
  }
})

describe('what the kernel knows a request by', () => {
  it('tells requests apart by all of its 64 bits', () => {
    const bytes = Buffer.from('0100000000000080' + '0100000000000000' + '0000000000000080', 'hex')
    const [one, low, high] = [0, 8, 16].map((at) => readUnique(bytes, at)) as [
      Unique,
      Unique,
      Unique,
    ]
    expect(isSame(one, readUnique(bytes, 0))).to.equal(true)
    expect([isSame(one, low), isSame(one, high), isSame(low, high)]).not.to.include(true)
  })
})
