import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { BoundedMap } from '../../server/bounded-map.js'

describe('a bounded map', () => {
  const filled = (entries: number): BoundedMap<number, number> => {
    const map = new BoundedMap<number, number>(8)
    for (let key = 0; key < entries; key += 1) map.set(key, key)
    return map
  }
  const known = (map: BoundedMap<number, number>): number[] =>
    Array.from({ length: 100 }, (_, key) => key).filter((key) => map.get(key) === key)

  it('knows the newest entries, and never more than it may', () => {
    for (let entries = 0; entries < 30; entries += 1) {
      const keys = known(filled(entries))
      expect(keys).to.deep.equal(Array.from(keys, (_, index) => entries - keys.length + index))
      expect(keys.length).to.be.within(Math.min(entries, 4), 8)
    }
  })

  it('answers the last value of a key, however long ago it had another one', () => {
    const map = filled(4)
    map.set(1, 100)
    expect(map.get(1)).to.equal(100)
    for (let key = 10; key < 13; key += 1) map.set(key, key)
    expect(map.get(1)).to.equal(100)
  })

  it('keeps no value that a key had before, of whatever half', async () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const map = new BoundedMap<number, object>(8)
    const former = Array.from({ length: 6 }, (_, key) => {
      const value = { key }
      map.set(key, value)
      return new WeakRef(value)
    })
    for (const key of former.keys()) if (key >= 3) map.set(key, { key: -key })
    // A WeakRef keeps its value for the turn of the event loop it was made in.
    await setImmediate()
    collect()
    expect(former.slice(3).map((value) => value.deref())).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ])
  })

  it('has forgotten what was deleted, in both of its halves', () => {
    const map = filled(4)
    map.set(1, 100)
    map.delete(1)
    map.delete(2)
    expect([map.get(1), map.get(2)]).to.deep.equal([undefined, undefined])
    map.set(1, 200)
    expect(map.get(1)).to.equal(200)
  })
})
