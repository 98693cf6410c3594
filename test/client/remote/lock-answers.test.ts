import { expect } from 'chai'
import { checkedAnswer, checkedInodes, checkedLease } from '../../../client/remote/lock-answers.js'

describe('what the server answers about locks', () => {
  const granted = { state: 'granted', newest: 5, delegated: true, version: 2, lease: 14_999.5 }
  const lock = { space: 'posix', owner: '', start: 0, end: 9, type: 'write', pid: 5 }
  const lease = { state: 'held', milliseconds: 14_999.5, run: 'r', recalls: [5] }

  it('is taken as it is', () => {
    const others = ['waiting', 'unclaimed', 'free', 'cancelled', 'decided']
    const refused = { state: 'refused', code: 'EAGAIN' }
    const all = [granted, refused, { state: 'held', lock }, ...others.map((state) => ({ state }))]
    for (const answer of all) expect(checkedAnswer(answer)).to.equal(answer)
    expect(checkedLease(lease)).to.deep.equal(lease)
  })

  const wrong: unknown[] = [
    undefined,
    'granted',
    { state: 'constructor' },
    { state: 'granted' },
    { ...granted, lease: '5' },
    { ...granted, lease: -1 },
    { ...granted, newest: 1e300 },
    { state: 'refused' },
    { state: 'held' },
    { state: 'held', lock: { ...lock, type: 'x' } },
    { state: 'held', lock: { ...lock, pid: 2 ** 32 } },
    { state: 'held', lock: { ...lock, start: null } },
  ]
  for (const answer of wrong) {
    it(`makes no sense: ${JSON.stringify(answer)}`, () => {
      expect(() => checkedAnswer(answer)).to.throw(/makes no sense/)
    })
  }

  const leases: unknown[] = [
    undefined,
    { ...lease, milliseconds: 'x' },
    { ...lease, run: 5 },
    { ...lease, recalls: ['x'] },
    { ...lease, recalls: undefined },
  ]
  for (const one of leases) {
    it(`is no lease: ${JSON.stringify(one)}`, () => {
      expect(() => checkedLease(one)).to.throw(/makes no sense/)
    })
  }

  it('names inodes alone', () => {
    expect(checkedInodes([1, 2])).to.deep.equal([1, 2])
    for (const list of ['12', [1, '2'], [null]]) {
      expect(() => checkedInodes(list)).to.throw(/makes no sense/)
    }
  })
})
