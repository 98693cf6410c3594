import { once } from 'node:events'
import { expect } from 'chai'
import { connectionOf } from '../../../server/wire/connection.js'
import { BATCH_TYPE, encodeFrame } from '../../../server/wire/frames.js'
import { HEADERS } from '../../../server/wire/headers.js'
import { LOCK_END, type Lock, type LockSpace } from '../../../server/wire/locks.js'
import type { WireOperation } from '../../../server/wire/operations.js'
import { secretOf } from './connection.js'
import { type FileServer, startFileServer } from './file-server.js'
import { encode, openChannel, type Request, result, results } from './frames.js'

const KILLED = 'killed'
const SECRET = secretOf(KILLED)
const LEASE_IS_OVER = 'the lease is over, and somebody wants the lock'

/** What a mount that was killed has on the server, for the one that comes after it. No lease runs out meanwhile. */
describe('fence, of a connection whose process has ended', () => {
  let server: FileServer
  let ino: number
  let root: number

  beforeEach(async () => {
    server = await startFileServer({ times: { leaseMilliseconds: 3_600_000 } })
    ino = (await server.send('PUT', '/files/f', { body: 'first' })).attributes().ino
    root = (await server.send('HEAD', '/files')).attributes().ino
  })
  afterEach(() => server.close())

  const lock = (space: LockSpace = 'flock'): Lock => {
    return { space, owner: 'o', type: 'write', start: 0, end: LOCK_END, pid: 0 }
  }
  const taking = { op: 'lock', request: 'r', lock: lock() } as const

  async function ask(
    connection: string,
    operation: WireOperation,
    user = 'alice',
  ): Promise<Record<string, unknown>> {
    const { body } = await server.send('POST', '/batch', {
      body: encodeFrame(operation),
      user,
      headers: { 'Content-Type': BATCH_TYPE, [HEADERS.connection]: secretOf(connection) },
    })
    const [only = {}] = await results(
      (async function* () {
        yield body
      })(),
    )
    return only
  }
  const fence = (locks: 'keep' | 'end' = 'end') =>
    ask('next', { op: 'fence', secret: SECRET, locks })
  const taken = async (by: string) => (await ask(by, { ...taking, ino })).lock
  const now = async () => (await server.send('GET', '/files/f')).body.toString()
  const REFUSED = { state: 'refused', code: 'EAGAIN' }

  it('ends its locks, for whoever wants them', async () => {
    await taken(KILLED)
    expect(await taken('next'), LEASE_IS_OVER).to.deep.equal(REFUSED)
    expect(await fence()).to.include({ outcome: 'done' })
    expect(await taken('next')).to.include({ state: 'granted' })
    expect(await fence(), 'a second time').to.include({ outcome: 'done' })
  })

  it('ends its leases of names', async () => {
    const stream = await listening()
    const leased = await ask(KILLED, { ...taking, ino: root, lock: lock('names'), delegable: true })
    expect(leased.lock).to.include({ state: 'granted', delegated: true })
    stream.destroy()
    const waiting = server.send('PUT', '/files/new', { body: 'x' })
    await fenced()
    expect((await waiting).status).to.equal(201)
  })

  const nobodys: [who: string, secret: string, user: string][] = [
    ['only knows its name, as all clients of the user do', connectionOf(SECRET), 'alice'],
    ['has made a secret up', 'a-secret-that-somebody-has-made-up', 'alice'],
    ['is another user', SECRET, 'bob'],
  ]
  for (const [who, secret, user] of nobodys) {
    it(`does nothing for who ${who}`, async () => {
      await taken(KILLED)
      expect(await ask('next', { op: 'fence', secret, locks: 'end' }, user)).to.include({
        outcome: 'done',
      })
      expect(await taken('next')).to.deep.equal(REFUSED)
      const written = await ask(KILLED, { op: 'setAttributes', ino, changes: { mode: 0o600 } })
      expect(written).to.include({ outcome: 'done' })
    })
  }

  it('is refused while its stream of changes is open: EBUSY, and nothing is done', async () => {
    const stream = await listening()
    await taken(KILLED)
    expect(await fence()).to.include({ outcome: 'failed', code: 'EBUSY' })
    expect(await taken('next')).to.deep.equal(REFUSED)
    stream.destroy()
  })

  for (const locks of ['keep', 'end'] as const) {
    describe(`where its locks ${locks}`, () => {
      const late: [what: string, operation: (at: { ino: number; root: number }) => Request][] = [
        ['bytes', ({ ino }) => [{ op: 'write', ino, offset: 0 }, 'older']],
        ['attributes', ({ ino }) => [{ op: 'setAttributes', ino, changes: { size: 0 } }]],
        [
          'a name',
          ({ root }) => [
            { op: 'put', place: { directory: root, name: 'late' }, mode: 'create' },
            'x',
          ],
        ],
        [
          'a removal',
          ({ root }) => [{ op: 'remove', place: { directory: root, name: 'f' }, kind: 'unlink' }],
        ],
        ['a lock', ({ ino }) => [{ ...taking, ino }]],
      ]
      for (const [what, operation] of late) {
        it(`refuses ${what} that a channel brings late`, async () => {
          const { socket, reader } = await openChannel(server, { [HEADERS.connection]: SECRET })
          socket.write(encode([[{ op: 'root' }]]))
          await result(reader)
          await fence(locks)
          socket.write(encode([operation({ ino, root })]))
          const answer = await result(reader)
          socket.destroy()
          expect(answer).to.include({ outcome: 'failed', code: 'ESTALE' })
          expect(await now()).to.equal('first')
          expect((await server.send('HEAD', '/files/late')).status).to.equal(404)
          expect(await taken('next')).to.include({ state: 'granted' })
        })
      }

      it('refuses a request whose content is on its way', async () => {
        const fields = `${HEADERS.connection}: ${SECRET}\r\nContent-Range: bytes 0-4/*\r\n`
        const type = 'Content-Type: application/octet-stream\r\nContent-Length: 5\r\n'
        const socket = await server.open(
          `PATCH /files/f HTTP/1.1\r\nHost: h\r\n${fields}${type}\r\nol`,
        )
        await fence(locks)
        const answered = once(socket, 'data')
        socket.write('der')
        const [answer] = await answered
        socket.destroy()
        expect(String(answer)).to.match(/^HTTP\/1.1 410 /)
        expect(await now()).to.equal('first')
      })
    })
  }

  it('can leave its locks where they are, for as long as their lease', async () => {
    await taken(KILLED)
    await fence('keep')
    expect(await taken('next')).to.deep.equal(REFUSED)
    await fence('end')
    expect(await taken('next')).to.include({ state: 'granted' })
  })

  async function listening() {
    const fields = `Host: h\r\n${HEADERS.connection}: ${SECRET}\r\n\r\n`
    const stream = await server.open(`GET /changes HTTP/1.1\r\n${fields}`)
    let told = ''
    while (!told.includes('event: ready\n')) told += String((await once(stream, 'data'))[0])
    return stream
  }

  /** Once the server has seen the end of the stream. */
  async function fenced(): Promise<void> {
    for (;;) if ((await fence()).outcome === 'done') return
  }
})
