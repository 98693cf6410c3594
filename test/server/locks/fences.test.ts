import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { lockSessionTable } from '../../../server/database/lock-sessions.js'
import { Fences } from '../../../server/locks/fences.js'
import { Locks } from '../../../server/locks/locks.js'
import { LOCK_TIMES } from '../../../server/locks/requests.js'
import { LOCK_END, type Lock } from '../../../server/wire/locks.js'

const INO = 7
const OTHER = 8
const laptop = { user: 'ann', connection: 'laptop' }
const desk = { user: 'ann', connection: 'desk' }
const LOCK: Lock = { space: 'posix', owner: 'o', type: 'write', start: 0, end: LOCK_END, pid: 1 }
const NAMES: Lock = { ...LOCK, space: 'names' }

/** What a client wrote under its lock may come when others have had that lock: its machine slept, or the network was away. */
describe('a write that comes late', () => {
  let now: number
  let locks: Locks
  let start: () => Locks

  beforeEach(() => {
    now = 0
    const records = lockSessionTable(openDatabase(':memory:'))
    start = () => new Locks({ now: () => now, records })
    locks = start()
  })
  afterEach(() => locks.close())

  let requests = 0
  const take = (client: typeof laptop, ino: number, lock = LOCK) => {
    locks.listen(client)
    const request = `r${++requests}`
    expect(
      locks.lock(client, ino, { request, lock, waits: false, delegable: true }).state,
    ).to.equal('granted')
  }
  const pass = (milliseconds: number) => {
    now += milliseconds
    locks.tick()
  }
  const restart = () => {
    locks.close()
    locks = start()
  }
  const isRefused = (ino: number) => {
    try {
      locks.refuseFenced('ann', laptop.connection, ino)
      return false
    } catch (error) {
      expect(error).to.include({ code: 'ESTALE' })
      return true
    }
  }

  /** The server starts again, and the client does not come back in time. */
  function restartWithout(): void {
    restart()
    pass(LOCK_TIMES.graceMilliseconds)
  }

  describe('after a restart of the server', () => {
    beforeEach(() => {
      take(laptop, INO)
      restartWithout()
    })

    it('is refused where another client has got a lock since, until its client has heard of that', () => {
      take(desk, INO)
      expect(isRefused(INO)).to.equal(true)
      expect(locks.claim(laptop, [{ ino: INO, locks: [LOCK] }], false)).to.deep.equal([INO])
      expect(isRefused(INO)).to.equal(true)
      locks.claim(laptop, [], true)
      expect(isRefused(INO)).to.equal(false)
    })

    it('is refused also when that lock is let go again', () => {
      take(desk, INO)
      locks.end(desk)
      expect(isRefused(INO)).to.equal(true)
    })

    it('is done where nobody has got a lock since', () => {
      expect(isRefused(INO)).to.equal(false)
      take(desk, OTHER)
      expect(isRefused(INO)).to.equal(false)
      take(desk, INO)
      expect(isRefused(INO)).to.equal(true)
    })

    it('is refused also after another restart, and whatever is locked then', () => {
      take(desk, INO)
      restart()
      locks.claim(desk, [{ ino: INO, locks: [LOCK] }], true)
      take(desk, OTHER)
      expect([INO, OTHER].map(isRefused)).to.deep.equal([true, true])
      locks.claim(laptop, [], true)
      restart()
      expect([INO, OTHER].map(isRefused)).to.deep.equal([false, false])
    })
  })

  it('is refused also if the server started again after the lock had gone to another client', () => {
    take(laptop, INO)
    now += LOCK_TIMES.leaseMilliseconds
    const wanted = { request: 'r', lock: LOCK, waits: true, delegable: false }
    locks.lock(desk, INO, wanted)
    expect(isRefused(INO)).to.equal(true)
    restart()
    expect(isRefused(INO)).to.equal(true)
    expect(locks.renew(laptop).state).to.equal('unclaimed')
  })

  it('brings no name into a directory whose names another client was leased since', () => {
    take(laptop, INO, NAMES)
    restartWithout()
    take(desk, INO, NAMES)
    expect(locks.claim(laptop, [{ ino: INO, locks: [NAMES] }], true)).to.deep.equal([INO])
    expect(locks.leased('ann', INO, laptop)).to.be.a('promise')
  })
})

describe('what is remembered of clients that lost their locks', () => {
  it('is bounded for each user: the oldest are forgotten first', () => {
    const records = lockSessionTable(openDatabase(':memory:'))
    const fences = new Fences('ann', records, new Map())
    const inodes = new Set(Array.from({ length: 10_000 }, (_, index) => index + 1))
    for (let client = 0; client < 11; client++) fences.add(`client${client}`, inodes)
    expect(records.fences()).to.have.lengthOf(100_000)
    expect([0, 1, 10].map((client) => fences.has(`client${client}`))).to.deep.equal([
      false,
      true,
      true,
    ])
  })
})
