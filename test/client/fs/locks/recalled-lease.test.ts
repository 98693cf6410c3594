import { expect } from 'chai'
import { Lease } from '../../../../client/fs/locks/lease.js'
import { openDatabase } from '../../../../server/database/database.js'
import { lockSessionTable } from '../../../../server/database/lock-sessions.js'
import { Locks } from '../../../../server/locks/locks.js'
import { LOCK_TIMES } from '../../../../server/locks/requests.js'
import { LOCK_END, type Lock } from '../../../../server/wire/locks.js'

const INO = 7
const laptop = { user: 'ann', connection: 'laptop' }
const desk = { user: 'ann', connection: 'desk' }
const whole = { owner: 'o', start: 0, end: LOCK_END, pid: 0, type: 'write' } as const

/** A client that is there, and hears what is recalled, but cannot give it back: what it must send first takes too long. */
describe('the lease of a client that owes what was recalled', () => {
  let now: number
  let locks: Locks
  let lease: Lease

  beforeEach(() => {
    now = 0
    const records = lockSessionTable(openDatabase(':memory:'))
    locks = new Locks({ now: () => now, records })
    lease = new Lease([() => now])
    locks.listen(laptop)
    locks.listen(desk)
  })
  afterEach(() => locks.close())

  let requests = 0
  const asking = (lock: Lock) => {
    return { request: `r${++requests}`, lock, waits: lock.space !== 'names', delegable: true }
  }
  /** What keeps a lease. */
  const renew = () => {
    const { state } = locks.renew(laptop)
    if (state === 'held') lease.renewed(lease.start(), locks.leaseLeft(laptop))
    return state
  }
  const lockAnother = () => {
    const { state } = locks.lock(laptop, INO + 1, asking({ ...whole, space: 'flock' }))
    if (state === 'granted') lease.renewed(lease.start(), locks.leaseLeft(laptop))
  }

  /** Seconds until others have it, while the client renews its lease again and again. */
  function secondsUntil(isGiven: () => boolean): number {
    for (let second = 1; second <= 200; second += 1) {
      now += 1_000
      locks.tick()
      if (isGiven()) return second
      if (second % 4 === 0) renew()
      if (second % 4 === 2) lockAnother()
    }
    return Number.POSITIVE_INFINITY
  }

  const leases: [space: Lock['space'], others: () => () => boolean, patience: number][] = [
    [
      'posix',
      () => {
        const wanted = asking({ ...whole, space: 'posix' })
        return () => locks.lock(desk, INO, wanted).state === 'granted'
      },
      LOCK_TIMES.recallMilliseconds,
    ],
    [
      'names',
      () => () => locks.leased('ann', INO, desk) === undefined,
      LOCK_TIMES.leaseMilliseconds,
    ],
  ]
  for (const [space, others, patience] of leases) {
    it(`is over by its own clock before others get what it had: ${space}`, () => {
      renew()
      const lock: Lock = { ...whole, space }
      expect(locks.lock(laptop, INO, asking(lock))).to.include({ delegated: true })
      const isGiven = others()
      expect(isGiven()).to.equal(false)
      expect(secondsUntil(isGiven)).to.equal(patience / 1_000)
      expect(lease.isValid).to.equal(false)
      expect(renew()).to.equal('unclaimed')
    })
  }

  it('goes on while one thing after another is recalled, and given back in time', () => {
    for (let second = 0; second < 60; second += 1) {
      renew()
      locks.lock(laptop, second, asking({ ...whole, space: 'names' }))
      void locks.leased('ann', second, desk)
      renew()
      now += 1_000
      locks.tick()
      expect(lease.isValid).to.equal(true)
      locks.giveBack(laptop, second - 1, [])
    }
  })

  it('goes on as soon as that is given back', () => {
    renew()
    locks.lock(laptop, INO, asking({ ...whole, space: 'names' }))
    void locks.leased('ann', INO, desk)
    now += LOCK_TIMES.leaseMilliseconds - 1
    renew()
    now += 1
    expect(lease.isValid).to.equal(false)
    locks.giveBack(laptop, INO, [])
    renew()
    expect(lease.isValid).to.equal(true)
  })
})
