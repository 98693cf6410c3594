import { expect } from 'chai'
import { LatestChanges } from '../../../client/cache/latest-changes.js'

describe('the latest changes', () => {
  it('tell whether something changed after a ticket was taken', () => {
    const changes = new LatestChanges<string>(100)
    changes.add('a', 1)
    changes.add('b', 2)
    expect(changes.isSince('a', 0)).to.equal(true)
    expect(changes.isSince('a', 1)).to.equal(false)
    expect(changes.isSince('c', 0)).to.equal(false)
    expect(changes.isAnySince(1)).to.equal(true)
    expect(changes.isAnySince(2)).to.equal(false)
  })

  it('take for changed what they had to forget, and little else', () => {
    const limit = 10
    const changes = new LatestChanges<number>(limit)
    for (let ticket = 1; ticket <= 100; ticket++) {
      changes.add(ticket, ticket)
      for (let key = 1; key <= ticket; key++) {
        expect(changes.isSince(key, key - 1)).to.equal(true)
        if (key > ticket - limit / 2) expect(changes.isSince(key, key)).to.equal(false)
      }
      expect(changes.isSince(-1, Math.max(0, ticket - limit / 2))).to.equal(false)
    }
  })
})
