import { expect } from 'chai'
import { Cache } from '../../../client/cache/cache.js'
import { ForgottenNames } from '../../../client/cache/forgotten-names.js'
import { ABSENT } from '../../../client/cache/known.js'

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

  it('can say of all names that it had no room for, until nothing is believed of them', () => {
    const cache = new Cache({ now: () => 0, timeoutMilliseconds: 1000, limit: 10 })
    cache.vouch()
    for (let round = 0; round < 2; round++)
      for (const directory of [1, 2, 3])
        for (let name = 0; name < 8; name++)
          cache.learnName(directory, `${name}`, 100, cache.ticket())
    const vouched = new Set([...cache.vouchedNames()].map((at) => `${at.directory}/${at.name}`))
    expect(vouched.size).to.equal(24)
    cache.forgetVouched()
    expect([...cache.vouchedNames()]).to.deep.equal([])
  })
})

describe('names that were forgotten', () => {
  it('take no more than some room: the first ones go', () => {
    const names = new ForgottenNames(10)
    for (const directory of [1, 2, 3]) names.add(directory, ['abc', 'd'])
    expect([...names.all()].map(({ directory, name }) => `${directory}/${name}`)).to.deep.equal([
      '2/abc',
      '2/d',
      '3/abc',
      '3/d',
    ])
  })

  it('do not push out others by being forgotten again and again, a few at a time', () => {
    const names = new ForgottenNames(20_000)
    names.add(1, ['first'])
    for (let time = 0; time < 10_000; time++) names.add(2, [`${time % 100}`, 'again'])
    const all = [...names.all()].map(({ directory, name }) => `${directory}/${name}`)
    expect(all).to.include('1/first')
    expect(all).to.have.length(102)
  })
})
