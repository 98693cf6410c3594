import { expect } from 'chai'
import { HEADERS, type WireOperation } from '../../../server/wire.js'
import { BATCH_TYPE, encodeFrame, FrameReader } from '../../../server/wire-frames.js'
import { LOCK_END, type Lock, type LockType } from '../../../server/wire-locks.js'
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
        ...(connection === undefined ? {} : { [HEADERS.connection]: connection }),
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
