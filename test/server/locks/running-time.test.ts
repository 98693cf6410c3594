import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { lockSessionTable } from '../../../server/database/lock-sessions.js'
import { Locks } from '../../../server/locks/locks.js'
import { LOCK_TIMES } from '../../../server/locks/requests.js'
import { runningTime } from '../../../server/locks/running-time.js'
import { LOCK_END, type Lock } from '../../../server/wire/locks.js'

describe('the time by which leases end', () => {
  const ann = { user: 'ann', connection: 'laptop' }
  const desk = { user: 'ann', connection: 'desk' }
  const INO = 7
  let time = 1_000
  let locks: Locks

  beforeEach(() => {
    const records = lockSessionTable(openDatabase(':memory:'))
    locks = new Locks({ now: runningTime(() => time), records })
    expect(locks.lock(ann, INO, asking('a')).state).to.equal('granted')
  })
  afterEach(() => locks.close())

  function asking(owner: string) {
    const lock: Lock = { space: 'flock', owner, type: 'write', start: 0, end: LOCK_END, pid: 1 }
    return { request: owner, lock, waits: false, delegable: false }
  }

  it('does not pass while the server is stopped: whoever comes first then, nobody is gone', () => {
    time += 10 * LOCK_TIMES.leaseMilliseconds
    expect(locks.lock(desk, INO, asking('b')).state).to.equal('refused')
    expect(locks.renew(ann).state).to.equal('held')
  })

  it('passes while it runs, whether it is asked for anything or not', () => {
    for (let second = 0; second < LOCK_TIMES.leaseMilliseconds / 1_000; second++) {
      time += 1_000
      locks.tick()
    }
    expect(locks.lock(desk, INO, asking('b')).state).to.equal('granted')
    expect(locks.renew(ann).state).to.equal('unclaimed')
  })

  it('does not pass any more once the server is about to stop', () => {
    locks.stop()
    for (let second = 0; second < 2 * (LOCK_TIMES.leaseMilliseconds / 1_000); second++) {
      time += 1_000
      locks.tick()
    }
    expect(locks.lock(desk, INO, asking('b')).state).to.equal('refused')
    expect(locks.renew(ann).state).to.equal('held')
  })
})
