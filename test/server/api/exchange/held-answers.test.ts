import { once } from 'node:events'
import http from 'node:http'
import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame, FrameReader } from '../../../../server/wire/frames.js'
import { type FileServer, startFileServer } from '../file-server.js'
import { openChannel, result, type TestChannel } from '../frames.js'

const MIB = 1024 * 1024
const FILE_BYTES = 4 * MIB
const CONNECTIONS = 30
/** What makes an answer holds its bytes twice for a moment, and they stay until they are collected. */
const MOST_BYTES = 60 * MIB

describe('answers that nobody takes', function () {
  this.timeout(60_000)

  let server: FileServer
  let ino: number
  async function start(stalledMilliseconds: number): Promise<void> {
    server = await startFileServer({ limits: { heldAnswerBytes: 12 * MIB, stalledMilliseconds } })
    await server.send('PUT', '/files/big', { body: Buffer.alloc(FILE_BYTES, 'big') })
    ino = (await server.send('HEAD', '/files/big')).attributes().ino
  }
  afterEach(() => server.close())

  const read = () => encodeFrame({ op: 'read', ino })

  async function openBatch(): Promise<Pick<TestChannel, 'socket' | 'reader'>> {
    const headers = { 'Content-Type': BATCH_TYPE }
    const { port } = server
    const request = http.request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      path: '/batch',
      headers,
    })
    const answered = once(request, 'response').then(([response]) => response)
    request.end(Buffer.concat([read(), read()]))
    const [socket] = await once(request, 'socket')
    async function* body() {
      for await (const piece of await answered) yield piece
    }
    answered.catch(() => {})
    return { socket, reader: new FrameReader(body()) }
  }

  async function openReads(): Promise<Pick<TestChannel, 'socket' | 'reader'>> {
    const channel = await openChannel(server)
    channel.socket.end(Buffer.concat([read(), read()]))
    return channel
  }

  /** Somebody else, meanwhile; and what is going to happen happens. */
  async function serveBob(): Promise<void> {
    await server.send('PUT', '/files/own', { body: Buffer.alloc(FILE_BYTES), user: 'bob' })
    const own = (await server.send('HEAD', '/files/own', { user: 'bob' })).attributes().ino
    for (let count = 0; count < 100; count++) {
      const { status } = await server.send('HEAD', '/files/own', { user: 'bob' })
      expect(status).to.equal(200)
    }
    const { socket, reader } = await openChannel(server, { 'X-User': 'bob' })
    socket.end(encodeFrame({ op: 'read', ino: own }))
    expect((await result(reader))?.content).to.have.length(FILE_BYTES)
  }

  for (const [what, open] of [
    ['channels', openReads],
    ['batches', openBatch],
  ] as const) {
    it(`are bounded over all ${what} of a user, others notice nothing, and all arrive`, async () => {
      await start(60_000)
      const before = process.memoryUsage().arrayBuffers
      const opened = await Promise.all(Array.from({ length: CONNECTIONS }, () => open()))
      await serveBob()
      expect(process.memoryUsage().arrayBuffers - before).to.be.below(MOST_BYTES)
      // the same user: what is short goes on, too
      const { socket, reader } = await openChannel(server)
      socket.end(encodeFrame({ op: 'root' }))
      expect(await result(reader)).to.include({ outcome: 'done' })
      const answers = await Promise.all(
        opened.map(async ({ reader }) => [await result(reader), await result(reader)]),
      )
      const whole = Buffer.alloc(FILE_BYTES, 'big').toString()
      expect(answers.flat().every((answer) => answer?.content === whole)).to.equal(true)
    })
  }

  it('end their connection when others wait for too long', async () => {
    await start(100)
    const stalled = await Promise.all(Array.from({ length: CONNECTIONS }, openReads))
    const ends = stalled.map(async ({ socket }) => {
      if (!socket.destroyed) await once(socket, 'close')
    })
    const { socket, reader } = await openReads()
    expect((await result(reader))?.content).to.have.length(FILE_BYTES)
    expect((await result(reader))?.content).to.have.length(FILE_BYTES)
    socket.destroy()
    for (const { socket } of stalled) socket.on('error', () => {}).resume()
    await Promise.all(ends)
  })
})
