import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame } from '../../../server/wire/frames.js'
import { type FileServer, startFileServer } from './file-server.js'
import { openChannel, result } from './frames.js'

const MB = 1_000_000
const BYTES = 'Content-Type: application/octet-stream'

describe('partial writes of a user whose quota ends (507 EDQUOT)', () => {
  let server: FileServer
  let ino: number
  beforeEach(async () => {
    server = await startFileServer()
    ino = (await server.send('PUT', '/files/f', { body: Buffer.alloc(MB, 'x') })).attributes().ino
    await quota(2 * MB)
  })
  afterEach(() => server.close())

  const quota = (maxBytes: number) =>
    server.storage.setQuota('alice', { maxBytes, maxInodes: null })
  const used = async () => (await server.storage.quota('alice')).bytes

  const patch = (target: string, ...fields: string[]) =>
    `${[`PATCH /files/${target} HTTP/1.1`, 'Host: h', ...fields].join('\r\n')}\r\n\r\n`
  const appending = patch('f?append', BYTES, 'Transfer-Encoding: chunked')
  const chunk = (bytes: number) => `${bytes.toString(16)}\r\n${'y'.repeat(bytes)}\r\n`
  /** What the server says, before the client has sent its body to the end. */
  const said = async (socket: Socket) => {
    const [answer] = await once(socket, 'data')
    socket.destroy()
    return String(answer)
  }

  async function contentFiles(): Promise<number> {
    const options = { recursive: true, withFileTypes: true } as const
    const entries = await readdir(join(server.directory, 'content'), options)
    return entries.filter((entry) => entry.isFile()).length
  }

  /** Waits until nobody claims any of what is left; the test's own timeout bounds it. */
  async function allIsFree(): Promise<void> {
    const free = { body: Buffer.alloc(2 * MB - (await used())) }
    for (let status = 0; status !== 201; await delay(5)) {
      status = (await server.send('PUT', '/files/rest', free)).status
    }
    await server.send('DELETE', '/files/rest')
  }

  const early: [what: string, head: () => string][] = [
    ['?append', () => patch('f?append', BYTES, 'Content-Length: 1000001')],
    [
      'Content-Range',
      () => patch('f', BYTES, 'Content-Range: bytes 5-2000000/*', 'Content-Length: 1999996'),
    ],
    [
      'Content-Range, in chunks',
      () => patch('f', BYTES, 'Content-Range: bytes 5-2000000/*', 'Transfer-Encoding: chunked'),
    ],
    ['Coffer-Size', () => patch('f?append', BYTES, 'Coffer-Size: 2000001', 'Content-Length: 9')],
    [
      'more pieces than may wait',
      () => patch('f', 'Content-Type: application/vnd.coffer.ranges', 'Content-Length: 9000000'),
    ],
  ]
  for (const [what, head] of early) {
    it(`refuses a PATCH before its body comes: ${what}`, async () => {
      expect(await said(await server.open(head()))).to.match(/^HTTP\/1\.1 507 .*"EDQUOT"/s)
      await allIsFree()
    })
  }

  it('stops a PATCH while it comes', async () => {
    const socket = await server.open(appending + chunk(500_000) + chunk(500_001))
    expect(await said(socket)).to.match(/^HTTP\/1\.1 507 .*"EDQUOT"/s)
    await allIsFree()
    expect(await used()).to.equal(MB)
  })

  it('stops pieces that overwrite the same bytes again and again', async () => {
    const files = await contentFiles()
    const head = patch(
      'f',
      'Content-Type: application/vnd.coffer.ranges',
      'Transfer-Encoding: chunked',
    )
    const piece = Buffer.alloc(12 + MB)
    piece.writeUInt32BE(MB, 8)
    const socket = await server.open(head)
    const answered = said(socket)
    for (let sent = 0; sent < 12; sent += 1) {
      socket.write(`${piece.length.toString(16)}\r\n`)
      socket.write(piece)
      socket.write('\r\n')
    }
    expect(await answered).to.match(/^HTTP\/1\.1 507 .*"EDQUOT"/s)
    while ((await contentFiles()) > files) await delay(5)
    expect(await used()).to.equal(MB)
  })

  it('shares what is left between those that come at once, until a client goes away', async () => {
    const one = await server.open(
      patch('f?append', BYTES, 'Content-Length: 600000', 'Expect: 100-continue'),
    )
    expect(String((await once(one, 'data'))[0])).to.match(/^HTTP\/1\.1 100 /)
    const other = await server.open(appending + chunk(600_000))
    expect(await said(other)).to.match(/^HTTP\/1\.1 507 .*"EDQUOT"/s)
    const whole = await server.send('PUT', '/files/other', { body: Buffer.alloc(600_000) })
    expect(whole.status).to.equal(507)
    one.destroy()
    await allIsFree()
  })

  it('overwrites in place', async () => {
    await quota(MB)
    const body = Buffer.alloc(MB, 'z')
    const headers = {
      'Content-Type': 'application/octet-stream',
      'Content-Range': `bytes 0-${MB - 1}/*`,
    }
    expect((await server.send('PATCH', '/files/f', { headers, body })).status).to.equal(204)
    expect((await server.send('GET', '/files/f')).body.equals(body)).to.equal(true)
  })

  const LONG = MB + 1
  /** An operation that announces content, without it. */
  const write = (offset: number | 'append') =>
    encodeFrame({ op: 'write', ino, offset }, Buffer.alloc(LONG)).subarray(0, -LONG)

  it('answers a write of a channel before its content comes, and what comes after that, too', async () => {
    const { socket, reader } = await openChannel(server)
    socket.write(write('append'))
    expect(await result(reader)).to.include({ outcome: 'failed', code: 'EDQUOT' })
    socket.write(Buffer.alloc(LONG))
    socket.write(encodeFrame({ op: 'stat', ino }))
    expect(await result(reader)).to.include({ outcome: 'done' })
    socket.destroy()
  })

  it('answers a write of a batch before its content comes', async () => {
    const head = `POST /batch HTTP/1.1\r\nHost: h\r\nContent-Type: ${BATCH_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n`
    const frame = write('append')
    const socket = await server.open(head)
    socket.write(`${frame.length.toString(16)}\r\n`)
    socket.write(frame)
    socket.write('\r\n')
    expect(await said(socket)).to.include('"EDQUOT"')
  })

  it('stops a write of a channel that goes away', async () => {
    const { socket } = await openChannel(server)
    socket.write(write(MB - 10))
    socket.write(Buffer.alloc(900_000), () => socket.destroy())
    await once(socket, 'close')
    await allIsFree()
    expect(await used()).to.equal(MB)
  })
})
