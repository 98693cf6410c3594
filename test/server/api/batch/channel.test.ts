import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'chai'
import { CHANNEL_PROTOCOL, encodeFrame } from '../../../../server/wire/frames.js'
import { type FileServer, startFileServer } from '../file-server.js'
import { encode, openChannel, type Request, result, results } from '../frames.js'

const FIELDS = `Host: localhost\r\nConnection: Upgrade\r\nUpgrade: ${CHANNEL_PROTOCOL}\r\n`

describe('GET /batch with Upgrade: a channel (RFC 9110 section 7.8)', () => {
  let server: FileServer
  let root: number
  let isLive: boolean | Promise<boolean>
  before(async () => {
    server = await startFileServer({
      limits: { uploadBytes: 4_000_000 },
      isLive: () => isLive,
    })
    root = (await server.send('HEAD', '/files')).attributes().ino
  })
  beforeEach(() => {
    isLive = true
  })
  after(() => server.close())

  const place = (name: string) => ({ directory: root, name })
  const put = (name: string) => ({ op: 'put', place: place(name), mode: 'create' })

  it('is named in the answer, which has the fields of all answers', async () => {
    const { socket, answer } = await openChannel(server)
    socket.destroy()
    expect(answer.statusCode).to.equal(101)
    expect(answer.headers).to.include({
      connection: 'Upgrade',
      upgrade: CHANNEL_PROTOCOL,
      'x-content-type-options': 'nosniff',
    })
  })

  it('takes the protocol out of a list, in any case', async () => {
    const Upgrade = `other/2, ${CHANNEL_PROTOCOL.toUpperCase()}`
    const { socket, answer } = await openChannel(server, { Upgrade })
    socket.destroy()
    expect(answer.statusCode).to.equal(101)
  })

  it('answers each operation as it comes, and ends when the client does', async () => {
    const { socket, reader } = await openChannel(server)
    for (const name of ['one', 'two']) {
      socket.write(encode([[put(name), `content of ${name}`]]))
      expect(await result(reader)).to.include({ outcome: 'done' })
      socket.write(encode([[{ op: 'lookup', directory: root, name }]]))
      expect((await result(reader))?.attributes).to.include({ size: 14 })
    }
    socket.end()
    expect(await result(reader)).to.equal(undefined)
  })

  it('begins when the requests before it on the connection are answered, however fast it comes', async () => {
    const socket = connect(server.port, '127.0.0.1')
    const before = 'GET /files HTTP/1.1\r\nHost: localhost\r\n\r\n'
    socket.write(`${before}${before}GET /batch HTTP/1.1\r\n${FIELDS}\r\n`)
    socket.write(encode([[{ op: 'root' }]]))
    let all = ''
    for await (const data of socket) {
      all += String(data)
      if (all.includes('"outcome":"done"')) break
    }
    expect(all.match(/HTTP\/1\.1 (?:200|101) /g)).to.have.length(3)
    expect(all.indexOf(' 101 ')).to.be.greaterThan(all.lastIndexOf(' 200 '))
  })

  it('waits for long answers before it, and so does an upgrade that there is not', async () => {
    await server.send('PUT', '/files/parts', { body: Buffer.alloc(3_000_000) })
    const ranges = 'Range: bytes=0-1499999,1500000-'
    const long = `GET /files/parts HTTP/1.1\r\nHost: localhost\r\n${ranges}\r\n\r\n`
    const other = `HEAD /files HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`
    const end = /HTTP\/1\.1 (?:101|200) .*\r\n\r\n$/s
    for (const last of [`GET /batch HTTP/1.1\r\n${FIELDS}\r\n`, other]) {
      const said = await server.raw(long + long + last, end)
      expect(said.match(/HTTP\/1\.1 (?:206|200|101) /g)).to.have.length(3)
      expect(said.length).to.be.greaterThan(6_000_000)
    }
  })

  it('takes frames that come with the request, and in pieces of any size', async () => {
    const requests: Request[] = [
      [put('pieces'), 'content'],
      [{ op: 'lookup', directory: root, name: 'pieces' }],
      [{ op: 'lookup', directory: root, name: 'none' }],
    ]
    const bytes = encode(requests)
    for (const [index, size] of [1, 7, 60].entries()) {
      const socket = connect(server.port, '127.0.0.1')
      socket.setNoDelay(true)
      socket.write(
        Buffer.concat([
          Buffer.from(`GET /batch HTTP/1.1\r\n${FIELDS}\r\n`),
          bytes.subarray(0, size),
        ]),
      )
      for (let at = size; at < bytes.length; at += size) {
        await new Promise((written) => socket.write(bytes.subarray(at, at + size), written))
      }
      socket.end()
      const told = await results(afterHead(socket))
      const outcomes = told.map(({ outcome, code }) => code ?? outcome)
      expect(outcomes).to.deep.equal([index === 0 ? 'done' : 'EEXIST', 'done', 'ENOENT'])
    }
  })

  it('takes long content as it comes, and skips what nobody reads', async () => {
    const long = Buffer.alloc(3_000_000, 'long')
    const { socket } = await openChannel(server)
    socket.end(
      encode([
        [put('long'), long],
        [put('long'), long],
        [{ op: 'root' }, long],
        [{ op: 'lookup', directory: root, name: 'long' }],
      ]),
    )
    const [made, taken, unread, found] = await results(socket)
    expect(unread).to.include({ outcome: 'done' })
    expect(made?.attributes).to.include({ size: 3_000_000 })
    expect(taken).to.include({ outcome: 'failed', code: 'EEXIST' })
    expect(found?.attributes).to.include({ size: 3_000_000 })
    expect((await server.send('GET', '/files/long')).body.equals(long)).to.equal(true)
  })

  it('refuses a frame with more content than one request may bring', async () => {
    const { socket } = await openChannel(server)
    const header = JSON.stringify({ ...put('huge'), length: 4_000_001 })
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(header.length)
    socket.write(Buffer.concat([prefix, Buffer.from(header)]))
    expect(await results(socket))
      .to.have.length(1)
      .and.have.nested.property('[0].code', 'EFBIG')
  })

  for (const broken of ['x', '\0\0\0\x01{', '\xff\xff\xff\xff', '\0\0\0\x02[]']) {
    it(`says that ${JSON.stringify(broken)} is broken, and ends`, async () => {
      const { socket } = await openChannel(server)
      socket.write(encode([[{ op: 'root' }]]))
      socket.end(Buffer.from(broken, 'latin1'))
      const told = await results(socket)
      const outcomes = told.map(({ outcome, code }) => code ?? outcome)
      expect(outcomes).to.deep.equal(['done', 'EINVAL'])
    })
  }

  it('says so when the client ends in the middle of content, and does nothing', async () => {
    const frames = encode([[{ op: 'root' }], [put('cut'), 'content']])
    const long = encode([[put('cut'), Buffer.alloc(1_000_000)]])
    for (const bytes of [frames.subarray(0, -2), long.subarray(0, -2)]) {
      const { socket } = await openChannel(server)
      socket.end(bytes)
      const last = (await results(socket)).at(-1)
      expect(last).to.include({ outcome: 'broken', code: 'EINVAL' })
    }
    expect((await server.send('HEAD', '/files/cut')).status).to.equal(404)
  })

  it('does nothing of a frame whose client goes away in the middle', async () => {
    const { socket } = await openChannel(server)
    const bytes = encode([[put('gone'), Buffer.alloc(1_000_000)]])
    await new Promise((written) => socket.write(bytes.subarray(0, -1), written))
    socket.destroy()
    await once(socket, 'close')
    expect((await server.send('HEAD', '/files/gone')).status).to.equal(404)
  })

  it('carries nothing out that was sent after the token was revoked', async () => {
    for (const no of [false, Promise.resolve(false)]) {
      isLive = true
      const { socket, reader } = await openChannel(server)
      socket.write(encode([[{ op: 'root' }], [{ op: 'root' }]]))
      const outcomes = [await result(reader), await result(reader)]
      isLive = no
      socket.write(encode([[put('revoked'), 'x']]))
      outcomes.push(await result(reader), await result(reader))
      expect(outcomes.map((one) => one?.code ?? one?.outcome)).to.deep.equal([
        'done',
        'done',
        'EACCES',
        undefined,
      ])
      expect((await server.send('HEAD', '/files/revoked')).status).to.equal(404)
    }
  })

  it('has no end of operations', async () => {
    const { socket } = await openChannel(server)
    socket.end(Buffer.concat(Array(10_001).fill(encodeFrame({ op: 'root' }))))
    const told = await results(socket)
    expect(told).to.have.length(10_001)
    expect(told.every(({ outcome }) => outcome === 'done')).to.equal(true)
  })

  it('holds few answers for a client that does not take them, and goes on when it does', async () => {
    await server.send('PUT', '/files/big', { body: Buffer.alloc(1_000_000) })
    const { ino } = (await server.send('HEAD', '/files/big')).attributes()
    const { socket, reader } = await openChannel(server)
    const before = process.memoryUsage().arrayBuffers
    socket.end(Buffer.concat(Array(200).fill(encodeFrame({ op: 'read', ino }))))
    // others are served meanwhile, and what is going to happen happens
    for (let count = 0; count < 300; count++) await server.send('HEAD', '/files/big')
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(8_000_000)
    let answers = 0
    while ((await result(reader)) !== undefined) answers += 1
    expect(answers).to.equal(200)
  })

  it('asks its clients to end before the server stops, and answers what they sent', async () => {
    const other = await startFileServer()
    try {
      const { socket, reader } = await openChannel(other)
      other.closing()
      expect(await result(reader)).to.deep.equal({ outcome: 'closing' })
      socket.end(encode([[{ op: 'root' }]]))
      expect(await result(reader)).to.include({ outcome: 'done' })
      expect(await result(reader)).to.equal(undefined)
      const refused: unknown = await openChannel(other).catch((answer: unknown) => answer)
      expect(refused).to.include({ statusCode: 426 })
    } finally {
      await other.close()
    }
  })

  describe('what is no request for a channel', () => {
    it('is told of it: 426 with Upgrade (RFC 9110 section 15.5.22)', async () => {
      const answer = await server.send('GET', '/batch')
      expect([answer.status, answer.headers.upgrade]).to.deep.equal([426, CHANNEL_PROTOCOL])
      expect(answer.headers.connection).to.equal('Upgrade')
    })

    it('is refused like any request, and the connection ends', async () => {
      const said = await server.raw(`GET /batch HTTP/1.1\r\n${FIELDS}X-Scope: none\r\n\r\n`)
      expect(said).to.match(/^HTTP\/1\.1 403 .*\r\nConnection: close\r\n/s)
      const bad = await server.raw(`GET /batch?x=1 HTTP/1.1\r\n${FIELDS}\r\n`)
      expect(bad).to.match(/^HTTP\/1\.1 400 .*\r\nConnection: close\r\n/s)
    })

    const others: [what: string, head: string, status: number][] = [
      ['another protocol', 'GET /batch HTTP/1.1\r\nUpgrade: websocket\r\n', 426],
      ['another target', `HEAD /files HTTP/1.1\r\nUpgrade: ${CHANNEL_PROTOCOL}\r\n`, 200],
      ['HTTP/1.0', `GET /batch HTTP/1.0\r\nUpgrade: ${CHANNEL_PROTOCOL}\r\n`, 426],
      [
        'content',
        `GET /batch HTTP/1.1\r\nContent-Length: 0\r\nUpgrade: ${CHANNEL_PROTOCOL}\r\n`,
        426,
      ],
    ]
    for (const [what, head, status] of others) {
      it(`ignores Upgrade with ${what}`, async () => {
        const said = await server.raw(
          `${head}Host: localhost\r\nConnection: Upgrade\r\n\r\n`,
          /\r\n\r\n/,
        )
        expect(said).to.match(new RegExp(`^HTTP/1\\.1 ${status} `))
      })
    }

    it('keeps its content where another upgrade was offered, and ends the connection', async () => {
      const head = (length: number) =>
        `PUT /files/offered HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: ${length}\r\n\r\n`
      for (const content of ['content', 'x'.repeat(1_000_000)]) {
        const next = 'DELETE /files/offered HTTP/1.1\r\nHost: localhost\r\n\r\n'
        const said = await server.raw(head(content.length) + content + next)
        expect(said).to.match(/^HTTP\/1\.1 20.*\r\nConnection: close\r\n/s)
        const { body } = await server.send('GET', '/files/offered')
        expect(body.toString() === content).to.equal(true)
      }
    })
  })
})

/** What follows the head of an answer. */
async function* afterHead(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const piece of source) {
    if (head === undefined) {
      yield piece
      continue
    }
    head = Buffer.concat([head, piece])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) continue
    yield head.subarray(end + 4)
    head = undefined
  }
}
