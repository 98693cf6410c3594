import { expect } from 'chai'
import { timespec } from '../../../client/fuse/integers.js'

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
