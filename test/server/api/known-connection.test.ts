import type { Socket } from 'node:net'
import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame } from '../../../server/wire/frames.js'
import { HEADERS } from '../../../server/wire/headers.js'
import { LOCK_END, type Lock, type LockSpace } from '../../../server/wire/locks.js'
import { secretOf } from './connection.js'
import { type FileServer, startFileServer } from './file-server.js'
import { results } from './frames.js'

const JSON_FIELDS = { 'Content-Type': 'application/json' }
const lock = (space: LockSpace): Lock => {
  return { space, owner: 'o', type: 'write', start: 0, end: LOCK_END, pid: 0 }
}

/** All clients of a user are told by what name the others are known. What is of a connection is for who has its secret alone. */
describe('who knows of a connection its name only', () => {
  let server: FileServer
  let root: number
  let ino: number
  let stream: Socket
  /** By which the changes of the holder are told. */
  let name: string

  beforeEach(async () => {
    server = await startFileServer({ times: { leaseMilliseconds: 3_600_000 } })
    root = (await server.send('HEAD', '/files')).attributes().ino
    ino = (await server.send('PUT', '/files/f', { body: 'x', headers: of(holder) })).attributes()
      .ino
    stream = await server.open(
      `GET /changes HTTP/1.1\r\nHost: h\r\n${HEADERS.connection}: ${holder}\r\n\r\n`,
    )
    name = await origin()
  })
  afterEach(async () => {
    stream.destroy()
    await server.close()
  })

  const holder = secretOf('holder')
  const of = (connection: string) => ({ [HEADERS.connection]: connection })

  async function origin(): Promise<string> {
    const told = await server.raw('GET /changes?since=0 HTTP/1.1\r\nHost: h\r\n\r\n', /"origin":"/)
    return /"origin":"([^"]+)"/.exec(told)?.[1] ?? ''
  }

  async function ask(connection: string, operation: object, scope?: string) {
    const { body } = await server.send('POST', '/batch', {
      body: encodeFrame(operation),
      headers: { 'Content-Type': BATCH_TYPE, ...of(connection) },
      ...(scope === undefined ? {} : { scope }),
    })
    const source = async function* () {
      yield body
    }
    const [only = {}] = await results(source())
    return only
  }
  const locking = (space: LockSpace = 'flock') => ({ op: 'lock', request: 'r', lock: lock(space) })

  const endings: [what: string, operation: object][] = [
    ['unlock', { op: 'unlock', range: { space: 'flock', owner: 'o', start: 0, end: LOCK_END } }],
    ['endLocks', { op: 'endLocks' }],
  ]
  for (const [what, operation] of endings) {
    it(`does not end its locks: ${what}`, async () => {
      await ask(holder, { ...locking(), ino })
      await ask(name, 'range' in operation ? { ...operation, ino } : operation, 'file.read')
      const wanted = await ask(secretOf('other'), { ...locking(), ino })
      expect(wanted.lock).to.deep.equal({ state: 'refused', code: 'EAGAIN' })
    })
  }

  it('does not give back what it decides about', async () => {
    const delegated = await ask(holder, { ...locking(), ino, delegable: true })
    expect(delegated.lock).to.include({ delegated: true })
    await ask(name, { op: 'returnLocks', ino, locks: [] }, 'file.read')
    const wanted = await ask(secretOf('other'), { ...locking(), ino })
    expect(wanted.lock).to.deep.equal({ state: 'waiting' })
  })

  it('does not take it out of the queue', async () => {
    await ask(secretOf('other'), { ...locking(), ino })
    await ask(holder, { ...locking(), ino, wait: true })
    const cancelled = await ask(name, { op: 'cancelLock', ino, request: 'r' }, 'file.read')
    expect(cancelled.lock).to.deep.equal({ state: 'decided' })
  })

  it('brings no name into a directory that it has leased', async () => {
    const leased = await ask(holder, { ...locking('names'), ino: root, delegable: true })
    expect(leased.lock).to.include({ state: 'granted', delegated: true })
    const put = server.send('PUT', '/files/late', { body: 'x', headers: of(name) })
    const given = await Promise.race([put, recalled()])
    expect(given).to.equal('recalled')
    await ask(holder, { op: 'endLocks' })
    await put
  })

  it('gives up none of its requests', async () => {
    await server.send('HEAD', '/files', { headers: { ...of(name), 'Coffer-Abandoned': '1' } })
    const change = { method: 'PATCH', body: '{"mode":384}' }
    const headers = { ...JSON_FIELDS, ...of(holder), 'Coffer-Attempt': '1' }
    const { status } = await server.send(change.method, '/files/f', { ...change, headers })
    expect(status).to.equal(200)
  })

  function recalled(): Promise<'recalled'> {
    return new Promise((resolve) => {
      stream.on('data', (data) => {
        if (String(data).includes('event: recall\n')) resolve('recalled')
      })
    })
  }
})
