import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame } from '../../../server/wire/frames.js'
import { HEADERS } from '../../../server/wire/headers.js'
import { LOCK_END } from '../../../server/wire/locks.js'
import { secretOf } from './connection.js'
import { type FileServer, startFileServer } from './file-server.js'

/** A lease is over at once, so that whoever wants a lock gets it. */
const times = { leaseMilliseconds: 0 }

describe('what was written under a lock that went to another client', () => {
  let server: FileServer
  let ino: number
  beforeEach(async () => {
    server = await startFileServer({ times })
    ino = (await server.send('PUT', '/files/f', { body: 'first' })).attributes().ino
  })
  afterEach(() => server.close())

  async function lock(connection: string): Promise<void> {
    const whole = { space: 'flock', owner: 'o', type: 'write', start: 0, end: LOCK_END, pid: 0 }
    const answer = await server.send('POST', '/batch', {
      headers: { 'Content-Type': BATCH_TYPE, [HEADERS.connection]: secretOf(connection) },
      body: encodeFrame({ op: 'lock', ino, request: 'r', lock: whole }),
    })
    expect(answer.body.toString()).to.include('"granted"')
  }

  const requests: [what: string, head: (ino: number) => string, body: (ino: number) => Buffer][] = [
    [
      'a request',
      (ino) =>
        `PATCH /inodes/${ino} HTTP/1.1\r\nContent-Range: bytes 0-4/*\r\nContent-Type: application/octet-stream\r\n`,
      () => Buffer.from('older'),
    ],
    [
      'a batch',
      () => `POST /batch HTTP/1.1\r\nContent-Type: ${BATCH_TYPE}\r\n`,
      (ino) => encodeFrame({ op: 'write', ino, offset: 0 }, Buffer.from('older')),
    ],
  ]
  for (const [what, head, body] of requests) {
    it(`is not done where the last of it comes after that: ${what}`, async () => {
      await lock('laptop')
      const bytes = body(ino)
      const fields = `Host: h\r\n${HEADERS.connection}: ${secretOf('laptop')}\r\nContent-Length: ${bytes.length}\r\n\r\n`
      const socket = await server.open(head(ino) + fields)
      socket.write(bytes.subarray(0, -2))
      // Answered later, by a server that has taken what came before.
      await server.send('GET', '/files/f')
      await lock('desk')
      const answered = new Promise<string>((resolve) => {
        socket.once('data', (data: Buffer) => resolve(data.toString()))
      })
      socket.write(bytes.subarray(-2))
      expect(await answered).to.match(/^HTTP\/1.1 (410|200) /)
      socket.destroy()
      expect((await server.send('GET', '/files/f')).body.toString()).to.equal('first')
    })
  }
})
