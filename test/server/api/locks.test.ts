import { expect } from 'chai'
import { LOCK_TIMES } from '../../../server/locks/requests.js'
import { BATCH_TYPE, encodeFrame, FrameReader } from '../../../server/wire/frames.js'
import { HEADERS } from '../../../server/wire/headers.js'
import { LOCK_END, type Lock, type LockType, type WireLease } from '../../../server/wire/locks.js'
import type { WireOperation } from '../../../server/wire/operations.js'
import { secretOf } from './connection.js'
import { type FileServer, startFileServer } from './file-server.js'

describe('locks in POST /batch', () => {
  let server: FileServer
  let ino: number
  before(async () => {
    server = await startFileServer()
    ino = (await server.send('PUT', '/files/f', { body: 'x' })).attributes().ino
  })
  after(() => server.close())

  const lock = (type: LockType): Lock => {
    return { space: 'flock', owner: 'o', type, start: 0, end: LOCK_END, pid: 0 }
  }

  async function ask(
    operation: WireOperation | object,
    from: { connection?: string; user?: string; scope?: string } = {},
  ): Promise<Record<string, unknown>> {
    const { connection, user, scope } = from
    const { body } = await server.send('POST', '/batch', {
      body: encodeFrame(operation),
      ...(user === undefined ? {} : { user }),
      ...(scope === undefined ? {} : { scope }),
      headers: {
        'Content-Type': BATCH_TYPE,
        ...(connection === undefined ? {} : { [HEADERS.connection]: secretOf(connection) }),
      },
    })
    const source = async function* () {
      yield body
    }
    return { ...(await new FrameReader(source()).next())?.header }
  }
  const asked = (type: LockType) => ({ op: 'lock', ino, request: 'r', lock: lock(type) })

  it('are of the connection that asked', async () => {
    const granted = await ask(asked('write'), { connection: 'one' })
    expect(granted.lock).to.include({ state: 'granted', delegated: false })
    const refused = await ask(asked('read'), { connection: 'two' })
    expect(refused.lock).to.deep.equal({ state: 'refused', code: 'EAGAIN' })
    const test = await ask({ op: 'testLock', ino, lock: lock('read') }, { connection: 'two' })
    expect(test.lock).to.deep.include({ state: 'held' })
    await ask({ op: 'endLocks' }, { connection: 'one' })
    const free = await ask(asked('read'), { connection: 'two' })
    expect(free.lock).to.include({ state: 'granted' })
    await ask({ op: 'endLocks' }, { connection: 'two' })
  })

  it('say how long they may be believed in', async () => {
    const renewed = async () => {
      const { lease } = await ask({ op: 'renewLocks' }, { connection: 'one' })
      return (lease as WireLease).milliseconds
    }
    expect(await renewed()).to.equal(LOCK_TIMES.leaseMilliseconds)
    const { lock } = await ask(asked('write'), { connection: 'one' })
    expect(lock).to.have.property('lease').within(1, LOCK_TIMES.leaseMilliseconds)
    expect(await renewed()).to.be.within(1, LOCK_TIMES.leaseMilliseconds)
    await ask({ op: 'endLocks' }, { connection: 'one' })
  })

  const making = (name: string, change: Partial<Lock> = {}) => ({
    op: 'make',
    place: { directory: 1, name },
    what: { type: 'directory' },
    lock: { request: 'r', lock: { ...lock('write'), ...change } },
  })

  it('are asked for together with something new', async () => {
    const made = await ask(making('locked'), { connection: 'one' })
    const { ino, version } = made.attributes as { ino: number; version: number }
    expect(made.lock).to.include({ state: 'granted', version })
    const other = { ...asked('read'), ino }
    const refused = await ask(other, { connection: 'two' })
    expect(refused.lock).to.deep.equal({ state: 'refused', code: 'EAGAIN' })
    await ask({ op: 'endLocks' }, { connection: 'one' })
  })

  it('may be refused of something new, which is made all the same', async () => {
    // A lease of names is for who hears of recalls.
    const made = await ask(making('unleased', { space: 'names' }), { connection: 'one' })
    expect(made.lock).to.deep.equal({ state: 'refused', code: 'EAGAIN' })
    const there = await server.send('HEAD', '/files/unleased')
    expect(there.attributes()).to.include({ ino: (made.attributes as { ino: number }).ino })
    await ask({ op: 'endLocks' }, { connection: 'one' })
  })

  it('are claimed from one run of the server: ESTALE in another, and nothing is noted', async () => {
    const claim = { op: 'claimLocks', claims: [{ ino, locks: [] }], last: true }
    const refused = await ask({ ...claim, run: 'the-one-before' }, { connection: 'one' })
    expect(refused).to.include({ outcome: 'failed', code: 'ESTALE' })
    const { lease } = await ask({ op: 'renewLocks' }, { connection: 'one' })
    const { run } = lease as { run: string }
    const taken = await ask({ ...claim, run }, { connection: 'one' })
    expect(taken).to.include({ outcome: 'done' })
    await ask({ op: 'endLocks' }, { connection: 'one' })
  })

  it('of something new need a connection, or nothing is made', async () => {
    expect(await ask(making('unmade'))).to.include({ outcome: 'failed', code: 'EINVAL' })
    expect((await server.send('HEAD', '/files/unmade')).status).to.equal(404)
  })

  const refused: [why: string, operation: object, from: object, code: string][] = [
    ['no connection', { op: 'renewLocks' }, {}, 'EINVAL'],
    ['a range that ends before its start', { start: 2, end: 1 }, { connection: 'c' }, 'EINVAL'],
    ['a number beyond 2^53', { end: LOCK_END + 1 }, { connection: 'c' }, 'EINVAL'],
    ['an owner with a space in it', { owner: 'a b' }, { connection: 'c' }, 'EINVAL'],
    [
      'an exclusive lock without file.write',
      { type: 'write' },
      { connection: 'c', scope: 'file.read' },
      'EACCES',
    ],
    [
      'a lease of names without file.write',
      { type: 'write', space: 'names' },
      { connection: 'c', scope: 'file.read' },
      'EACCES',
    ],
    ['a lease of names that is shared', { space: 'names' }, { connection: 'c' }, 'EINVAL'],
    [
      'a lease of some names only',
      { type: 'write', space: 'names', start: 1 },
      { connection: 'c' },
      'EINVAL',
    ],
    ["somebody else's inode", {}, { connection: 'c', user: 'other' }, 'ENOENT'],
  ]
  for (const [why, change, from, code] of refused) {
    it(`refuses ${why}: ${code}`, async () => {
      const operation =
        'op' in change ? change : { ...asked('read'), lock: { ...lock('read'), ...change } }
      expect(await ask(operation, from)).to.include({ outcome: 'failed', code })
    })
  }

  it('lets who may only read have a shared lock', async () => {
    const from = { connection: 'reader', scope: 'file.read' }
    expect((await ask(asked('read'), from)).lock).to.include({ state: 'granted' })
    await ask({ op: 'endLocks' }, from)
  })
})
