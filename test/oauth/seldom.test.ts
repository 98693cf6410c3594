import { expect } from 'chai'
import { Seldom } from '../../oauth/seldom.js'

describe('what is told once in a while', () => {
  it('is the first of its kind, and the first after the while', () => {
    const seldom = new Seldom(1000)
    const told = [
      seldom.isFirst('a', 0),
      seldom.isFirst('a', 999),
      seldom.isFirst('b', 999),
      seldom.isFirst('a', 1000),
      seldom.isFirst('a', 1001),
    ]
    expect(told).to.deep.equal([true, false, true, true, false])
  })

  it('forgets the oldest when there are too many', () => {
    const seldom = new Seldom(1000)
    for (let n = 0; n <= 10_000; n++) seldom.isFirst(`${n}`, 0)
    expect(seldom.isFirst('1', 1)).to.equal(false)
    expect(seldom.isFirst('0', 1)).to.equal(true)
  })
})
