import { expect } from 'chai'
import { BulkTurns, type Whose } from '../../../client/http/bulk-turns.js'

describe('turns of long exchanges', () => {
  let turns: BulkTurns
  let begun: Whose[]

  beforeEach(() => {
    turns = new BulkTurns()
    begun = []
  })

  /** Goes on in its own time. */
  function take(whose: Whose, count: number): void {
    for (let one = 0; one < count; one++) void turns.take(whose).then(() => begun.push(whose))
  }

  async function begunNow(): Promise<Whose[]> {
    await new Promise((resolve) => setImmediate(resolve))
    return begun.splice(0)
  }

  const times = (count: number, whose: Whose) => Array.from({ length: count }, () => whose)

  it('leaves two to programs, which come first', async () => {
    take('ahead', 10)
    expect(await begunNow()).to.deep.equal(times(6, 'ahead'))
    take('program', 4)
    expect(await begunNow()).to.deep.equal(times(2, 'program'))
    turns.give('ahead')
    expect(await begunNow()).to.deep.equal(['program'])
  })

  it('lets what is read ahead go on while programs never stop to wait', async () => {
    take('program', 12)
    take('ahead', 3)
    expect(await begunNow()).to.deep.equal(times(8, 'program'))
    for (let one = 0; one < 3; one++) {
      turns.give('program')
      take('program', 1)
    }
    expect(await begunNow()).to.deep.equal(['ahead', 'ahead', 'program'])
  })
})
