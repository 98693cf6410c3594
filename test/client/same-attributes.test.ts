import { expect } from 'chai'
import { ABSENT, Cache } from '../../client/cache.js'
import { isSame } from '../../client/same-attributes.js'
import type { WireAttributes } from '../../server/wire.js'

const ATTRIBUTES: Required<WireAttributes> = {
  ...{ ino: 7, type: 'file', mode: 0o644, uid: 1, gid: 2, nlink: 1, size: 3, allocated: 0 },
  ...{ rdev: 0, atime: '1', mtime: '2', ctime: '3', crtime: '4', version: 5, generation: 6 },
  ...{ etag: '"7-5"', modified_time: '1970-01-01T00:00:00Z', target: '' },
}

describe('attributes that come again', () => {
  it('are the same unless one of them is different, whichever', () => {
    expect(isSame(ATTRIBUTES, { ...ATTRIBUTES })).to.equal(true)
    for (const [name, value] of Object.entries(ATTRIBUTES)) {
      const other = typeof value === 'number' ? value + 1 : `${value}x`
      expect(isSame(ATTRIBUTES, { ...ATTRIBUTES, [name]: other }), name).to.equal(false)
    }
  })

  it('leave what the cache has, so that a long directory listed again is no second one', () => {
    const cache = new Cache({ now: () => 0, timeoutMilliseconds: 1000, limit: 10 })
    cache.learn(ATTRIBUTES, cache.ticket())
    cache.learn({ ...ATTRIBUTES }, cache.ticket())
    expect(cache.lastAttributes(7)).to.equal(ATTRIBUTES)
    const other = { ...ATTRIBUTES, size: 4 }
    cache.learn(other, cache.ticket())
    expect(cache.lastAttributes(7)).to.equal(other)
  })

  it('come of a directory whose names are all known, until one of them may be another', () => {
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
})
