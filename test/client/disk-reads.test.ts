import { expect } from 'chai'
import { TooLate } from '../../client/briefly.js'
import { DiskReads } from '../../client/disk-reads.js'

describe('reads of a disk that hangs', () => {
  it('are given up, and those that had no turn by then are not begun any more', async () => {
    const reads = new DiskReads(20)
    let answer = () => {}
    const hung = new Promise<void>((answered) => {
      answer = answered
    })
    const begun: number[] = []
    const read = (number: number) =>
      reads.read(async () => {
        begun.push(number)
        await hung
        return number
      })
    const all = await Promise.allSettled([0, 1, 2, 3, 4].map(read))
    expect(all.every((one) => one.status === 'rejected' && one.reason instanceof TooLate)).to.equal(
      true,
    )
    answer()
    expect(await read(5)).to.equal(5)
    expect(begun).to.deep.equal([0, 1, 2, 5])
  })
})
