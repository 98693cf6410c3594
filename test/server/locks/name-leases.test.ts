import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { lockSessionTable } from '../../../server/database/lock-sessions.js'
import { Locks } from '../../../server/locks/locks.js'
import { LOCK_TIMES } from '../../../server/locks/requests.js'
import { LOCK_END, type Lock } from '../../../server/wire/locks.js'

const DIRECTORY = 7
const laptop = { user: 'ann', connection: 'laptop' }
const desk = { user: 'ann', connection: 'desk' }
const web = { user: 'ann' }
const NAMES: Lock = {
  space: 'names',
  owner: 'mount',
  type: 'write',
  start: 0,
  end: LOCK_END,
  pid: 0,
}

let requests = 0
const asking = (lock: Lock = NAMES) => ({
  request: `r${++requests}`,
  lock,
  waits: false,
  delegable: true,
})
const GRANTED = { state: 'granted', delegated: true }
const REFUSED = { state: 'refused', code: 'EAGAIN' }

/** Locks with a clock that a test moves, and what outlives the process. */
function world() {
  let now = 0
  const records = lockSessionTable(openDatabase(':memory:'))
  const start = () => new Locks({ now: () => now, records })
  return { locks: start(), restarted: start, pass: (milliseconds: number) => (now += milliseconds) }
}

/** A lease of the laptop's. */
function leased() {
  const made = world()
  const box = made.locks.listen(laptop)
  expect(made.locks.lock(laptop, DIRECTORY, asking())).to.deep.equal(GRANTED)
  return { ...made, box }
}

const leave = (locks: Locks, { user, ...origin }: { user: string; connection?: string }) =>
  locks.leased(user, DIRECTORY, origin)

describe('a lease of names', () => {
  it('keeps everybody else from bringing a name there until it is given back', async () => {
    const { locks, box } = leased()
    expect(leave(locks, laptop)).to.equal(undefined)
    const waiting = [leave(locks, desk), leave(locks, web)]
    expect(box.take()).to.deep.equal([{ kind: 'recall', ino: DIRECTORY }])
    locks.giveBack(laptop, DIRECTORY, [])
    await Promise.all(waiting)
    expect(leave(locks, desk)).to.equal(undefined)
    expect(leave(locks, web)).to.equal(undefined)
  })

  it('is of one directory and one user', () => {
    const { locks } = leased()
    expect(locks.leased('ann', DIRECTORY + 1, desk)).to.equal(undefined)
    expect(locks.leased('bob', DIRECTORY, desk)).to.equal(undefined)
  })

  it('goes to nobody who cannot be told of a recall', () => {
    const { locks } = world()
    expect(locks.lock(laptop, DIRECTORY, asking())).to.deep.equal(REFUSED)
    expect(leave(locks, desk)).to.equal(undefined)
  })

  it('goes to nobody while another client has it, and is not recalled for that', () => {
    const { locks, box } = leased()
    locks.listen(desk)
    expect(locks.lock(desk, DIRECTORY, asking())).to.deep.equal(REFUSED)
    expect(box.take()).to.deep.equal([])
  })

  it('goes to nobody while a name waits, nor just after it was recalled', () => {
    const { locks, pass } = leased()
    void leave(locks, desk)
    locks.giveBack(laptop, DIRECTORY, [])
    expect(locks.lock(laptop, DIRECTORY, asking())).to.deep.equal(REFUSED)
    pass(LOCK_TIMES.contendedMilliseconds)
    locks.tick()
    expect(locks.lock(laptop, DIRECTORY, asking())).to.deep.equal(GRANTED)
  })

  it('is over once its client was silent for the time of a lease, which it is told', async () => {
    const { locks, pass } = leased()
    const waiting = leave(locks, desk)
    pass(LOCK_TIMES.leaseMilliseconds - 1)
    expect(leave(locks, desk)).not.to.equal(undefined)
    pass(1)
    locks.tick()
    await waiting
    expect(leave(locks, desk)).to.equal(undefined)
    expect(locks.renew(laptop).state).to.equal('unclaimed')
    expect(locks.lock(laptop, DIRECTORY, asking()).state).to.equal('unclaimed')
  })

  it('is over as soon after its recall, even if its client goes on renewing', () => {
    const { locks, pass } = leased()
    void leave(locks, desk)
    pass(LOCK_TIMES.leaseMilliseconds - 1)
    locks.renew(laptop)
    expect(leave(locks, desk)).not.to.equal(undefined)
    pass(1)
    expect(leave(locks, desk)).to.equal(undefined)
  })

  it('ends with its client', async () => {
    const { locks } = leased()
    const waiting = leave(locks, desk)
    locks.end(laptop)
    await waiting
    expect(leave(locks, desk)).to.equal(undefined)
  })

  describe('after a restart of the server', () => {
    it('lets nobody else bring names before its client has claimed it and let it go', async () => {
      const { restarted } = leased()
      const locks = restarted()
      const waiting = leave(locks, desk)
      expect(waiting).not.to.equal(undefined)
      expect(leave(locks, web)).not.to.equal(undefined)
      expect(locks.renew(laptop).state).to.equal('unclaimed')
      expect(locks.claim(laptop, [{ ino: DIRECTORY, locks: [NAMES] }], false)).to.deep.equal([])
      expect(leave(locks, laptop)).to.equal(undefined)
      expect(leave(locks, desk)).not.to.equal(undefined)
      locks.unlock(laptop, DIRECTORY, NAMES)
      locks.claim(laptop, [], true)
      await waiting
      expect(leave(locks, desk)).to.equal(undefined)
    })

    it('holds up no names in other directories', () => {
      const locks = leased().restarted()
      expect(locks.leased('ann', DIRECTORY + 1, desk)).to.equal(undefined)
      expect(locks.leased('ann', DIRECTORY + 1, {})).to.equal(undefined)
    })

    it('holds up nobody where the lease was given back before', () => {
      const { locks: before, restarted } = leased()
      before.giveBack(laptop, DIRECTORY, [])
      expect(before.lock(laptop, DIRECTORY + 1, asking())).to.deep.equal(GRANTED)
      expect(leave(restarted(), desk)).to.equal(undefined)
    })

    it('holds up nobody once its client has claimed all, the lease not among it', async () => {
      const locks = leased().restarted()
      const waiting = leave(locks, desk)
      locks.claim(laptop, [], true)
      await waiting
      expect(leave(locks, desk)).to.equal(undefined)
    })

    it('is of its client after one more restart, if that had not claimed it yet', () => {
      const { restarted } = leased()
      restarted()
      expect(leave(restarted(), desk)).not.to.equal(undefined)
    })

    it('two clients that have not claimed all yet can still bring the names they gave', () => {
      const { locks: before, restarted } = leased()
      before.listen(desk)
      expect(before.lock(desk, DIRECTORY + 1, asking())).to.deep.equal(GRANTED)
      const locks = restarted()
      locks.claim(laptop, [{ ino: DIRECTORY, locks: [NAMES] }], false)
      locks.claim(desk, [{ ino: DIRECTORY + 1, locks: [NAMES] }], false)
      expect(locks.leased('ann', DIRECTORY, laptop)).to.equal(undefined)
      expect(locks.leased('ann', DIRECTORY + 1, desk)).to.equal(undefined)
      expect(locks.leased('ann', DIRECTORY + 1, laptop)).not.to.equal(undefined)
    })

    it('is lost by a client that does not come in time', async () => {
      const { restarted, pass } = leased()
      const locks = restarted()
      const waiting = leave(locks, desk)
      pass(LOCK_TIMES.graceMilliseconds)
      locks.tick()
      await waiting
      expect(leave(locks, desk)).to.equal(undefined)
    })

    it('holds up nobody where only the asker had something', () => {
      const { restarted } = leased()
      expect(leave(restarted(), laptop)).to.equal(undefined)
    })
  })
})
