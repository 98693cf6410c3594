import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { Memory } from '../../client/memory.js'

describe('Memory', () => {
  const filled = (entries: number): Memory<number, number> => {
    const memory = new Memory<number, number>(4)
    for (let key = 0; key < entries; key += 1) memory.set(key, key)
    return memory
  }

  it('has the newest entries, and no more than twice as many', () => {
    for (let entries = 0; entries < 30; entries += 1) {
      const memory = filled(entries)
      const keys = Array.from({ length: 30 }, (_, key) => key).filter(
        (key) => memory.get(key) === key,
      )
      expect(keys).to.deep.equal(Array.from(keys, (_, index) => entries - keys.length + index))
      expect(keys.length).to.be.within(Math.min(entries, 4), 8)
    }
  })

  it('answers what was said last, also where something else was said long before', () => {
    const memory = filled(6)
    memory.set(3, 100)
    expect(memory.get(3)).to.equal(100)
    memory.set(7, 7)
    expect(memory.get(3)).to.equal(100)
  })

  it('keeps nothing of what was said before, of whatever half', async () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const memory = new Memory<number, object>(4)
    const former = Array.from({ length: 6 }, (_, key) => {
      const value = { key }
      memory.set(key, value)
      return new WeakRef(value)
    })
    for (const key of former.keys()) if (key >= 3) memory.set(key, { key: -key })
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
    const memory = filled(6)
    memory.set(3, 100)
    memory.delete(3)
    memory.delete(5)
    expect([memory.get(3), memory.get(5), memory.get(4)]).to.deep.equal([undefined, undefined, 4])
  })
})
