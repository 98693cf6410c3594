import { expect } from 'chai'
import { Cache } from '../../client/cache.js'
import { ABSENT } from '../../client/known.js'

describe('the names of a directory in the cache', () => {
  it('are all known once they were listed, until one of them may be another', () => {
    const cache = new Cache({ now: () => 0, timeoutMilliseconds: 1000, limit: 10 })
    expect(cache.knowsAllNames(1)).to.equal(false)
    cache.learnName(1, 'a', 7, cache.ticket())
    cache.learnComplete(1, [{ name: 'a' }], cache.ticket())
    expect(cache.knowsAllNames(1)).to.equal(true)
    cache.changedName(1, 'a', ABSENT, undefined, cache.ticket())
    expect(cache.allNames(1)).to.deep.equal([])
    cache.forgetNames(1)
    expect(cache.knowsAllNames(1)).to.equal(false)
  })

  it('are forgotten of those that were listed before many others, although these are empty', () => {
    const cache = new Cache({ now: () => 0, timeoutMilliseconds: 1000, limit: 10 })
    for (let directory = 1; directory <= 20; directory += 1) {
      cache.learnComplete(directory, [], cache.ticket())
    }
    const known = Array.from({ length: 20 }, (_, index) => cache.knowsAllNames(index + 1))
    expect(known.filter((isKnown) => isKnown)).to.have.length(10)
    expect(known.at(-1)).to.equal(true)
  })
})
