import { expect } from 'chai'
import { firstLock, madeWithLock } from '../../../server/api/batch/lock-operations.js'
import { Attempts } from '../../../server/api/exchange/attempts.js'
import type { LockSessionRecords } from '../../../server/database/lock-sessions.js'
import { lockSessionTable } from '../../../server/database/lock-sessions.js'
import { Locks } from '../../../server/locks/locks.js'
import { fileName } from '../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../server/storage/storage.js'
import { connectionOf } from '../../../server/wire/connection.js'
import { HEADERS } from '../../../server/wire/headers.js'
import { LOCK_END, type Lock } from '../../../server/wire/locks.js'
import { type TemporaryStorage, temporaryStorage } from '../storage/temporary.js'
import { secretOf } from './connection.js'

const SECRET = secretOf('laptop')
const laptop = { user: 'ann', connection: connectionOf(SECRET) }
const desk = { user: 'ann', connection: 'desk' }
const whole = { owner: 'o', type: 'write', start: 0, end: LOCK_END, pid: 0 } as const
const OWNED = { mode: 0o755, uid: 0, gid: 0 }
const FLOCK: Lock = { space: 'flock', ...whole }
const NAMES: Lock = { space: 'names', ...whole }

describe('what is made together with a lock', () => {
  let storage: TemporaryStorage
  let tree: Tree
  let records: LockSessionRecords
  let locks: Locks
  let attempts: Attempts
  beforeEach(async () => {
    storage = await temporaryStorage()
    tree = await storage.storage.tree('ann')
    records = lockSessionTable(storage.database)
    locks = new Locks({ now: () => 0, records })
    locks.listen(laptop)
    attempts = new Attempts()
  })
  afterEach(async () => {
    locks.close()
    await storage.close()
  })

  const place = () => ({ directory: tree.root, name: fileName('d') })
  const removed = () =>
    tree.remove(place(), { kind: 'either', keep: false, precondition: overwrite }, desk)

  /** The answer, and the number of what was made; `before` the lock is asked for. */
  async function made(lock: Lock, before: () => Promise<unknown> = async () => {}) {
    const { connection } = laptop
    const origin = attempts.origin('ann', { [HEADERS.connection.toLowerCase()]: SECRET })
    const nothing = { length: 0, content: [Buffer.alloc(0)] as const }
    const context = { tree, locks, origin, mayWrite: true, fence: () => {}, ...nothing }
    const asked = firstLock.parse({ request: 'r', lock })
    let ino = 0
    const answer = await madeWithLock(context, asked, async () => {
      const inode = await tree.make(place(), { type: 'directory' }, OWNED, { connection })
      ino = inode.ino
      await before()
      return inode
    })
    const header: object = 'header' in answer ? answer.header : {}
    return { ino, header: header as { lock?: object; attributes?: object } }
  }
  const asked = { request: 'd', lock: FLOCK, waits: false, delegable: false }
  const ofDesk = (ino: number) => locks.lock(desk, ino, asked)

  for (const lock of [FLOCK, NAMES]) {
    it(`is its maker's, who decides about it alone: ${lock.space}`, async () => {
      const { ino, header } = await made(lock)
      expect(header.attributes).to.include({ ino, type: 'directory' })
      expect(header.lock).to.include({ state: 'granted', delegated: true })
      expect(ofDesk(ino)).to.deep.equal({ state: 'waiting' })
    })

    it(`leaves no lock behind when somebody removes it at once: ${lock.space}`, async () => {
      const { ino, header } = await made(lock, removed)
      expect(header).to.include({ outcome: 'done' })
      expect(header.lock).to.deep.equal({ state: 'refused', code: 'ENOLCK' })
      expect(records.leases()).to.deep.equal([])
      expect(ofDesk(ino)).to.include({ state: 'granted' })
    })

    it(`leaves no lock behind when its maker turns out to have ended: ${lock.space}`, async () => {
      const { ino, header } = await made(lock, async () => {
        attempts.fence('ann', laptop.connection)
        locks.end(laptop)
      })
      expect(header.lock).to.deep.equal({ state: 'refused', code: 'ENOLCK' })
      expect(ofDesk(ino)).to.include({ state: 'granted' })
    })

    it(`is made although the disk then takes no note of the lock, which is nobody's: ${lock.space}`, async () => {
      // so that of the lock of names only the lease is new
      if (lock === NAMES) locks.lock(laptop, 1, asked)
      const { ino, header } = await made(lock, async () => {
        storage.database.pragma('query_only = true')
      })
      storage.database.pragma('query_only = false')
      expect(header.attributes).to.include({ ino, type: 'directory' })
      expect(header.lock).to.deep.equal({ state: 'refused', code: 'ENOLCK' })
      expect(ofDesk(ino)).to.include({ state: 'granted' })
    })
  }

  it('has a lock that is not left behind, either, where its maker does not decide alone', async () => {
    locks.close()
    locks = new Locks({ now: () => 0, records })
    const { ino, header } = await made(FLOCK, removed)
    expect(header.lock).to.deep.equal({ state: 'refused', code: 'ENOLCK' })
    expect(ofDesk(ino)).to.include({ state: 'granted' })
  })
})
