import { expect } from 'chai'
import { Cache } from '../../../client/cache/cache.js'
import { ForgottenNames } from '../../../client/cache/forgotten-names.js'
import { ABSENT } from '../../../client/cache/known.js'
import { attributesOf } from '../remote/some-attributes.js'

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

describe('attributes of what was shown beforehand', () => {
  let cache: Cache
  const is = (mode: number) => ({ ...attributesOf(7), mode })
  const mode = () => cache.attributes(7)?.value.mode

  beforeEach(() => {
    cache = new Cache({ now: () => 0, timeoutMilliseconds: 1000, limit: 10 })
    cache.learn(is(1), cache.ticket())
    cache.changedTo(is(2), cache.ticket())
  })

  it('are those of the answer, and none that was asked for before it', () => {
    const ticket = cache.ticket()
    const asked = cache.ticket()
    cache.settledTo(is(2), ticket)
    expect(cache.learn(is(1), asked)).to.equal(0)
    expect(mode()).to.equal(2)
    expect(cache.learn(is(3), cache.ticket())).to.not.equal(0)
  })

  it('are those of what was changed since, and answered later', () => {
    const ticket = cache.ticket()
    const since = cache.ticket()
    cache.settledTo(is(2), ticket)
    cache.changedTo(is(3), since)
    expect(mode()).to.equal(3)
  })

  it('are not known where others changed it meanwhile', () => {
    const ticket = cache.ticket()
    cache.changed(7)
    cache.settledTo(is(2), ticket)
    expect(mode()).to.equal(undefined)
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
