import { once } from 'node:events'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame } from '../../../server/wire/frames.js'
import { HEADERS } from '../../../server/wire/headers.js'
import { LOCK_END } from '../../../server/wire/locks.js'
import type { WireOperation } from '../../../server/wire/operations.js'
import { secretOf } from './connection.js'
import { type FileServer, startFileServer } from './file-server.js'
import { encode, openChannel, result } from './frames.js'

/** A directory whose names are leased to another client. */
describe('a name that waits for a lease', () => {
  let server: FileServer
  let root: number
  let stream: Socket
  let told = ''

  beforeEach(async () => {
    server = await startFileServer()
    root = (await server.send('HEAD', '/files')).attributes().ino
    told = ''
    const fields = `Host: h\r\n${HEADERS.connection}: ${secretOf('holder')}\r\n\r\n`
    stream = await server.open(`GET /changes HTTP/1.1\r\n${fields}`)
    stream.on('data', (data: Buffer) => {
      told += String(data)
    })
    await isTold('ready')
    const lease = {
      space: 'names',
      owner: 'm',
      type: 'write',
      start: 0,
      end: LOCK_END,
      pid: 0,
    } as const
    await holder({ op: 'lock', ino: root, request: 'r', lock: lease, delegable: true })
  })
  afterEach(async () => {
    stream.destroy()
    await server.close()
  })

  async function isTold(event: string): Promise<void> {
    while (!told.includes(`event: ${event}\n`)) await once(stream, 'data')
  }

  const holder = (operation: WireOperation | object) =>
    server.send('POST', '/batch', {
      body: encodeFrame(operation),
      headers: { 'Content-Type': BATCH_TYPE, [HEADERS.connection]: secretOf('holder') },
    })
  const giveBack = () => holder({ op: 'returnLocks', ino: root, locks: [] })
  const put = { op: 'put', mode: 'create' }

  /** What was sent before it has come to the server, too. */
  async function gone(socket: Socket): Promise<void> {
    const closed = once(socket, 'close')
    socket.destroy()
    await closed
    for (let turn = 0; turn < 3; turn++) await server.send('HEAD', '/files')
  }

  it('comes once the lease is given back', async () => {
    const { socket, reader } = await openChannel(server, {
      [HEADERS.connection]: secretOf('other'),
    })
    socket.write(encode([[{ ...put, place: { directory: root, name: 'late' } }, 'x']]))
    await isTold('recall')
    await giveBack()
    expect(await result(reader)).to.include({ outcome: 'done' })
    socket.destroy()
  })

  it('keeps no answer back that was there before', async () => {
    const { socket, reader } = await openChannel(server, {
      [HEADERS.connection]: secretOf('other'),
    })
    const removals = [{ place: { directory: root, name: 'none' }, kind: 'unlink' }]
    const late = { ...put, place: { directory: root, name: 'late' } }
    socket.write(encode([[{ op: 'removeAll', removals }], [late, 'x']]))
    await isTold('recall')
    expect(await result(reader)).to.have.property('removed')
    expect((await server.send('HEAD', '/files/late')).status).to.equal(404)
    await giveBack()
    expect(await result(reader)).to.include({ outcome: 'done' })
    socket.destroy()
  })

  it('does not come any more when the client of a channel is gone', async () => {
    const { socket } = await openChannel(server, { [HEADERS.connection]: secretOf('other') })
    socket.write(encode([[{ ...put, place: { directory: root, name: 'late' } }, 'x']]))
    await isTold('recall')
    await gone(socket)
    await giveBack()
    expect((await server.send('HEAD', '/files/late')).status).to.equal(404)
  })

  it('does not come any more when the client of a request is gone', async () => {
    const fields = `Host: h\r\n${HEADERS.connection}: ${secretOf('other')}\r\nContent-Length: 1\r\n\r\nx`
    const socket = await server.open(`PUT /files/late HTTP/1.1\r\n${fields}`)
    await isTold('recall')
    await gone(socket)
    await giveBack()
    expect((await server.send('HEAD', '/files/late')).status).to.equal(404)
  })

  it('is not waited for when the server stops: its client loses the connection, and asks again', async () => {
    const { socket } = await openChannel(server, { [HEADERS.connection]: secretOf('other') })
    socket.write(encode([[{ ...put, place: { directory: root, name: 'late' } }, 'x']]))
    await isTold('recall')
    const ended = once(socket, 'end')
    socket.resume()
    server.closing()
    await ended
    socket.destroy()
    expect((await server.send('HEAD', '/files/late')).status).to.equal(404)
  })
})
