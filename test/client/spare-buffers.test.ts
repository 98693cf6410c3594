import { expect } from 'chai'
import { SpareBuffers } from '../../client/spare-buffers.js'

describe('spare buffers', () => {
  const BYTES = 128 << 10
  const setUp = () => {
    const looks: (() => void)[] = []
    const spare = new SpareBuffers(4, (look) => looks.push(look))
    const given = Array.from({ length: 4 }, () => Buffer.allocUnsafeSlow(BYTES))
    for (const buffer of given) spare.give(buffer)
    return { spare, given, looks, rest: () => looks.shift()?.() }
  }
  const lengths = (buffers: readonly Buffer[]): number[] => buffers.map(({ length }) => length)

  it('are used again', () => {
    const { spare, given } = setUp()
    expect(given).to.include(spare.take())
  })

  it('are no more than so many', () => {
    const { spare, given } = setUp()
    const more = Buffer.alloc(BYTES)
    spare.give(more)
    const taken = Array.from({ length: 5 }, () => spare.take())
    expect(taken.filter((buffer) => buffer !== undefined)).to.have.members(given)
  })

  it('are free at once when nobody took them for a moment, and nobody looks after them any more', () => {
    const { spare, given, looks, rest } = setUp()
    const before = process.memoryUsage().arrayBuffers
    rest()
    rest()
    expect(before - process.memoryUsage().arrayBuffers).to.be.at.least(4 * BYTES)
    expect(lengths(given)).to.deep.equal([0, 0, 0, 0])
    expect(looks).to.have.length(0)
    expect(spare.take()).to.equal(undefined)
  })

  it('stay as far as they are taken again and again', () => {
    const { spare, given, rest } = setUp()
    rest()
    for (let round = 0; round < 3; round++) {
      const taken = [spare.take(), spare.take()]
      for (const buffer of taken) if (buffer !== undefined) spare.give(buffer)
      rest()
    }
    expect(lengths(given).filter((length) => length > 0)).to.deep.equal([BYTES, BYTES])
  })

  it('are looked after again when there are some again', () => {
    const { spare, rest } = setUp()
    rest()
    rest()
    const buffer = Buffer.alloc(BYTES)
    spare.give(buffer)
    rest()
    rest()
    expect(buffer.length).to.equal(0)
  })
})
