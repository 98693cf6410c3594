import { expect } from 'chai'
import { EagerWrites } from '../../../../server/storage/disk/eager-writes.js'

describe('writes without a thread', () => {
  let now: number
  let takes: number
  let written: number[]
  let writes: EagerWrites
  beforeEach(() => {
    now = 0
    takes = 0.05
    written = []
    writes = new EagerWrites(
      () => now,
      (_fd, data, position) => {
        now += takes
        written.push(position)
        return data[0]?.length ?? 0
      },
    )
  })
  const at = (position: number) => writes.write(0, [Buffer.from('12345')], position)

  it('go on as long as they are quick', () => {
    expect([at(0), at(5), at(10)]).to.deep.equal([5, 5, 5])
    expect(written).to.deep.equal([0, 5, 10])
  })

  it('are left to threads when they had to wait for a tenth of a second, until that is a fiftieth of the time', () => {
    takes = 50
    expect([at(0), at(5)]).to.deep.equal([5, 5])
    takes = 0.05
    // the second wait began when the first had earned a millisecond
    expect(at(10)).to.equal(5)
    takes = 200
    expect(at(15)).to.equal(5)
    now += 9_600
    expect(at(20)).to.equal(undefined)
    now += 400
    expect(at(20)).to.equal(5)
    expect(written).to.deep.equal([0, 5, 10, 15, 20])
  })

  it('say what went wrong', () => {
    const full = new EagerWrites(
      () => 0,
      () => {
        throw new Error('ENOSPC')
      },
    )
    expect(() => full.write(0, [], 0)).to.throw('ENOSPC')
  })
})
