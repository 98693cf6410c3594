import { expect } from 'chai'
import { changedBy } from '../../../client/cache/name-change.js'
import type { WireAttributes } from '../../../server/wire/inodes.js'

const cases: [before: string, change: string, isLater: boolean][] = [
  ['1700000000000000000', '1700000000000000001', true],
  ['1700000000000000001', '1700000000000000000', false],
  ['1700000000000000000', '1700000000000000000', false],
  ['999', '1000', true],
  ['1000', '999', false],
  ['-1', '0', true],
  ['-12', '-11', true],
  ['-11', '-12', false],
  ['-1', '-2', false],
]

describe('the time of a directory after a change of a name in it', () => {
  for (const [before, time, isLater] of cases) {
    it(`is ${isLater ? time : before} after ${time}, where it was ${before}`, () => {
      const directory = { mtime: before, ctime: before, nlink: 2 } as WireAttributes
      const changed = changedBy(directory, { time, subdirectories: 0 })
      expect(changed?.ctime).to.equal(isLater ? time : before)
      expect(changed?.mtime).to.equal(isLater ? time : before)
    })
  }
})
