import { expect } from 'chai'
import { freeSpent } from '../../../../server/api/input/spent-buffers.js'

describe('memory of a body that is written', () => {
  it('is free at once', () => {
    const buffers = Array.from({ length: 1000 }, () => Buffer.allocUnsafeSlow(16 << 10))
    const before = process.memoryUsage().arrayBuffers
    freeSpent(buffers)
    expect(before - process.memoryUsage().arrayBuffers).to.be.at.least(900 * (16 << 10))
    expect(buffers.every(({ length }) => length === 0)).to.equal(true)
  })

  it('stays where it is part of a larger buffer', () => {
    const larger = Buffer.alloc(64 << 10, 'x')
    const part = larger.subarray(0, 16 << 10)
    freeSpent([part, Buffer.from('pooled')])
    expect(part.length).to.equal(16 << 10)
    expect(larger.length).to.equal(64 << 10)
  })

  it('stays where it is short', () => {
    const short = Buffer.allocUnsafeSlow(8 << 10)
    freeSpent([short])
    expect(short.length).to.equal(8 << 10)
  })

  it('stays where one cannot be transferred', () => {
    const twice = Buffer.allocUnsafeSlow(16 << 10)
    freeSpent([twice, twice])
    expect(twice.length).to.equal(16 << 10)
  })
})
