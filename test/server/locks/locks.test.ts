import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { lockSessionTable } from '../../../server/database/lock-sessions.js'
import { Locks } from '../../../server/locks/locks.js'
import { LOCK_TIMES } from '../../../server/locks/requests.js'
import { LOCK_END, type Lock, type LockType } from '../../../server/wire/locks.js'

const INO = 7
const ann = { user: 'ann', connection: 'laptop' }
const desk = { user: 'ann', connection: 'desk' }
const bob = { user: 'bob', connection: 'laptop' }

function lock(owner: string, type: LockType = 'write', start = 0, end = LOCK_END): Lock {
  return { space: 'posix', owner, type, start, end, pid: 1 }
}

/** The lock tables with a clock that a test moves, and what outlives the process. */
function world() {
  let now = 0
  const database = openDatabase(':memory:')
  const records = lockSessionTable(database)
  const start = () => new Locks({ now: () => now, records })
  const first = start()
  return {
    locks: first,
    restarted: start,
    /** The disk takes nothing. */
    failing: (is: boolean) => database.pragma(`query_only = ${is}`),
    pass: (milliseconds: number) => {
      now += milliseconds
    },
  }
}

type World = ReturnType<typeof world>

let requests = 0
const asking = (wanted: Lock, waits: 'waits' | 'at once' = 'at once', delegable = false) => ({
  request: `r${++requests}`,
  lock: wanted,
  waits: waits === 'waits',
  delegable,
})
const GRANTED = { state: 'granted', delegated: false }
const REFUSED = { state: 'refused', code: 'EAGAIN' }

describe('the table of locks', () => {
  it('keeps users apart, even where their inodes and connections have one name', () => {
    const { locks } = world()
    expect(locks.lock(ann, INO, asking(lock('a')))).to.deep.equal(GRANTED)
    expect(locks.lock(bob, INO, asking(lock('a')))).to.deep.equal(GRANTED)
    expect(locks.lock(desk, INO, asking(lock('a')))).to.deep.equal(REFUSED)
  })

  it('tells who waited, in the order they came', () => {
    const { locks } = world()
    const box = locks.listen(desk)
    locks.lock(ann, INO, asking(lock('a')))
    const [first, second] = [asking(lock('b'), 'waits'), asking(lock('c'), 'waits')]
    expect(locks.lock(desk, INO, first).state).to.equal('waiting')
    expect(locks.lock(desk, INO, second).state).to.equal('waiting')
    locks.unlock(ann, INO, lock('a'))
    const decided = { kind: 'lock', request: first.request, decision: { state: 'granted' } }
    expect(box.take()).to.deep.equal([decided])
    expect(locks.lock(desk, INO, first)).to.deep.equal(GRANTED)
    expect(locks.lock(desk, INO, second).state).to.equal('waiting')
  })

  it('sees a circle of three that would wait for ever', () => {
    const { locks } = world()
    for (const ino of [1, 2, 3]) locks.lock(ann, ino, asking(lock(`o${ino}`)))
    expect(locks.lock(ann, 2, asking(lock('o1'), 'waits')).state).to.equal('waiting')
    expect(locks.lock(ann, 3, asking(lock('o2'), 'waits')).state).to.equal('waiting')
    const last = locks.lock(ann, 1, asking(lock('o3'), 'waits'))
    expect(last).to.deep.equal({ state: 'refused', code: 'EDEADLK' })
  })

  describe('who decides alone', () => {
    it('is asked to give back when somebody else comes, and hands over what it holds', () => {
      const { locks } = world()
      const box = locks.listen(ann)
      const alone = locks.lock(ann, INO, asking(lock('a'), 'at once', true))
      expect(alone).to.deep.equal({ state: 'granted', delegated: true })
      const other = asking(lock('b'))
      expect(locks.lock(desk, INO, other).state).to.equal('waiting')
      expect(box.take()).to.deep.equal([{ kind: 'recall', ino: INO }])
      expect(locks.renew(ann)).to.deep.equal({ state: 'held', recalls: [INO] })
      locks.giveBack(ann, INO, [lock('a', 'write', 0, 9)])
      expect(locks.lock(desk, INO, other)).to.deep.equal(REFUSED)
      expect(locks.lock(desk, INO, asking(lock('b', 'write', 10)))).to.deep.equal(GRANTED)
    })

    it('is nobody who cannot be told', () => {
      const { locks } = world()
      expect(locks.lock(ann, INO, asking(lock('a'), 'at once', true))).to.deep.equal(GRANTED)
    })

    it('loses it with the lease, and may not write before it knows', () => {
      const { locks, pass } = world()
      locks.listen(ann)
      locks.lock(ann, INO, asking(lock('a'), 'at once', true))
      pass(LOCK_TIMES.leaseMilliseconds - 1)
      const other = asking(lock('b'), 'waits')
      expect(locks.lock(desk, INO, other).state).to.equal('waiting')
      pass(1)
      locks.tick()
      expect(locks.lock(desk, INO, other)).to.deep.equal(GRANTED)
      expect(() => locks.refuseFenced('ann', 'laptop', INO)).to.throw('went to another client')
      expect(locks.lock(ann, INO, asking(lock('a'))).state).to.equal('unclaimed')
      expect(locks.renew(ann).state).to.equal('unclaimed')
      expect(locks.claim(ann, [{ ino: INO, locks: [lock('a')] }], true)).to.deep.equal([INO])
      locks.refuseFenced('ann', 'laptop', INO)
      expect(locks.lock(ann, INO, asking(lock('a')))).to.deep.equal(REFUSED)
    })

    it('keeps what it has beyond its lease while nobody wants it', () => {
      const { locks, pass } = world()
      locks.lock(ann, INO, asking(lock('a')))
      pass(10 * LOCK_TIMES.leaseMilliseconds)
      locks.tick()
      expect(locks.renew(ann).state).to.equal('held')
      expect(locks.lock(desk, INO, asking(lock('b')))).to.deep.equal(REFUSED)
    })
  })

  it('gives others at once what who converts a flock lock lets go of, and waits for', () => {
    const { locks } = world()
    const flock = (owner: string, type: LockType): Lock => ({
      ...lock(owner, type),
      space: 'flock',
    })
    const box = locks.listen(desk)
    locks.lock(ann, INO, asking(flock('a', 'read')))
    const first = asking(flock('b', 'write'), 'waits')
    expect(locks.lock(desk, INO, first).state).to.equal('waiting')
    expect(locks.lock(ann, INO, asking(flock('a', 'write'), 'waits')).state).to.equal('waiting')
    const decided = { kind: 'lock', request: first.request, decision: { state: 'granted' } }
    expect(box.take()).to.deep.equal([decided])
  })

  it('grants nothing to who was waiting for its own lock when its lease ended', () => {
    const { locks, pass } = world()
    locks.lock(ann, INO, asking(lock('a')))
    expect(locks.lock(ann, INO, asking(lock('b'), 'waits')).state).to.equal('waiting')
    pass(LOCK_TIMES.leaseMilliseconds)
    locks.tick()
    expect(locks.lock(desk, INO, asking(lock('c')))).to.deep.equal(GRANTED)
  })

  describe('after a restart', () => {
    it('lets nobody in before all have claimed what they had', () => {
      const { locks, restarted } = world()
      locks.lock(ann, INO, asking(lock('a')))
      locks.close()
      const again = restarted()
      expect(again.run).to.not.equal(locks.run)
      const other = asking(lock('b'))
      expect(again.lock(desk, INO, other).state).to.equal('waiting')
      expect(again.lock(bob, INO, asking(lock('b')))).to.deep.equal(GRANTED)
      expect(again.lock(ann, 8, asking(lock('a'))).state).to.equal('unclaimed')
      const claims = [{ ino: INO, locks: [lock('a')] }]
      expect(again.claim(ann, claims, true)).to.deep.equal([])
      expect(again.claim(ann, claims, true), 'claimed twice').to.deep.equal([])
      expect(again.lock(desk, INO, other)).to.deep.equal(REFUSED)
      again.close()
    })

    it('waits for so long, and then refuses claims once somebody else got a lock', () => {
      const { locks, restarted, pass } = world()
      locks.lock(ann, INO, asking(lock('a')))
      locks.close()
      const again = restarted()
      pass(LOCK_TIMES.graceMilliseconds)
      again.tick()
      expect(again.lock(desk, 9, asking(lock('b')))).to.deep.equal(GRANTED)
      expect(again.claim(ann, [{ ino: INO, locks: [lock('a')] }], true)).to.deep.equal([INO])
      again.close()
    })

    const leavings: [how: string, leave: (world: World) => void][] = [
      ['said that it was done', ({ locks }) => locks.end(ann)],
      [
        'had let go of everything and is gone',
        ({ locks, pass }) => {
          locks.unlock(ann, INO, lock('a'))
          pass(LOCK_TIMES.leaseMilliseconds)
          locks.tick()
        },
      ],
    ]
    for (const [how, leave] of leavings) {
      it(`waits for nobody who ${how}`, () => {
        const before = world()
        before.locks.lock(ann, INO, asking(lock('a')))
        leave(before)
        before.locks.close()
        const again = before.restarted()
        expect(again.lock(desk, INO, asking(lock('b')))).to.deep.equal(GRANTED)
        again.close()
      })
    }

    it('waits for those whom the disk took only when they asked again', () => {
      const { locks, restarted, failing } = world()
      const names: Lock = { ...lock('a'), space: 'names' }
      locks.listen(ann)
      for (const wanted of [lock('a'), names]) {
        const ino = wanted === names ? 8 : INO
        failing(true)
        expect(() => locks.lock(ann, ino, asking(wanted)), wanted.space).to.throw(/readonly/)
        failing(false)
        expect(locks.lock(ann, ino, asking(wanted)).state).to.equal('granted')
      }
      locks.close()
      const again = restarted()
      expect(again.lock(desk, INO, asking(lock('b'))).state).to.equal('waiting')
      expect(again.leased('ann', 8, desk), 'the names of a directory').to.be.a('promise')
      again.close()
    })

    it('waits no second time for who had nothing to claim', () => {
      const { locks, restarted } = world()
      locks.lock(ann, INO, asking(lock('a')))
      locks.unlock(ann, INO, lock('a'))
      locks.close()
      const again = restarted()
      again.claim(ann, [], true)
      again.close()
      const third = restarted()
      expect(third.lock(desk, INO, asking(lock('b')))).to.deep.equal(GRANTED)
      third.close()
    })
  })
})
