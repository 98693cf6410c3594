import { once } from 'node:events'
import { readdir, readlink } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { type FileServer, startFileServer } from './file-server.js'

/** What a client does wrong halfway: nothing is visible, nothing is left behind, the server goes on. */
describe('an interrupted request', () => {
  let server: FileServer
  beforeEach(async () => {
    server = await startFileServer({ limits: { uploadBytes: 10_000_000 } })
  })
  afterEach(() => server.close())

  async function open(text: string): Promise<Socket> {
    const socket = connect(server.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {})
    socket.write(text)
    return socket
  }

  async function contentFiles(): Promise<number> {
    const entries = await readdir(join(server.directory, 'content'), {
      recursive: true,
      withFileTypes: true,
    })
    return entries.filter((entry) => entry.isFile()).length
  }

  /** Waits for a state that another process of events brings about; the test's own timeout bounds it. */
  async function eventually(reached: () => Promise<boolean>): Promise<void> {
    while (!(await reached())) await delay(5)
  }

  const openHandles = async () => (await readdir('/proc/self/fd')).length

  const cutOff: [what: string, head: string, sent: string][] = [
    ['a shorter body than announced', 'Content-Length: 5000000', 'x'.repeat(2_000_000)],
    ['a chunk cut off', 'Transfer-Encoding: chunked', '4c4b40\r\n'.padEnd(2_000_000, 'x')],
    [
      'chunks without an end',
      'Transfer-Encoding: chunked',
      `3e8\r\n${'x'.repeat(1000)}\r\n`.repeat(2000),
    ],
  ]
  for (const [what, head, sent] of cutOff) {
    it(`makes nothing of an upload with ${what}`, async () => {
      const files = await contentFiles()
      const socket = await open(`PUT /files/f HTTP/1.1\r\nHost: h\r\n${head}\r\n\r\n${sent}`)
      await eventually(async () => (await contentFiles()) > files)
      socket.destroy()
      await eventually(async () => (await contentFiles()) === files)
      expect((await server.send('HEAD', '/files/f')).status).to.equal(404)
    })

    it(`leaves the old content after a replacement with ${what}`, async () => {
      const before = (await server.send('PUT', '/files/f', { body: 'old' })).attributes()
      const files = await contentFiles()
      const socket = await open(`PUT /files/f HTTP/1.1\r\nHost: h\r\n${head}\r\n\r\n${sent}`)
      await eventually(async () => (await contentFiles()) > files)
      socket.destroy()
      await eventually(async () => (await contentFiles()) === files)
      const after = await server.send('GET', '/files/f')
      expect([after.body.toString(), after.attributes()]).to.deep.equal(['old', before])
    })
  }

  it('writes nothing of a PATCH that is cut off', async () => {
    await server.send('PUT', '/files/f', { body: '0123456789' })
    const head =
      'PATCH /files/f?append HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream'
    const socket = await open(`${head}\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(50_000)}`)
    const [written] = await Promise.all([
      server.send('PUT', '/files/other', { body: 'meanwhile' }),
      delay(50),
    ])
    expect(written.status).to.equal(201)
    socket.destroy()
    const answer = await server.send('PATCH', '/files/f?append', {
      body: '!',
      headers: { 'Content-Type': 'application/octet-stream' },
    })
    expect(answer.attributes().size).to.equal(11)
    expect((await server.send('GET', '/files/f')).body.toString()).to.equal('0123456789!')
  })

  it('closes the content when a download is broken off', async () => {
    await server.send('PUT', '/files/large', { body: Buffer.alloc(8_000_000) })
    await server.send('GET', '/files/large')
    const before = await openHandles()
    for (const range of ['', 'Range: bytes=0-7999990\r\n', 'Range: bytes=0-3999999,4000001-\r\n']) {
      const socket = await open(`GET /files/large HTTP/1.1\r\nHost: h\r\n${range}\r\n`)
      await once(socket, 'data')
      socket.destroy()
    }
    await eventually(async () => (await openHandles()) <= before)
    expect((await server.send('GET', '/files/large')).body.length).to.equal(8_000_000)
  })

  it('gives every download its own bytes, beside others that are slow or broken off', async () => {
    const contents = ['a', 'b', 'c', 'd'].map((text) => Buffer.alloc(3_000_001, text))
    for (const [index, body] of contents.entries())
      await server.send('PUT', `/files/f${index}`, { body })
    const broken = async (index: number) => {
      const socket = await open(`GET /files/f${index} HTTP/1.1\r\nHost: h\r\n\r\n`)
      await once(socket, 'data')
      socket.destroy()
    }
    const slow = await open('GET /files/f0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    await once(slow, 'readable')
    const whole = async (index: number) => {
      const { body } = await server.send('GET', `/files/f${index}`)
      expect(body.equals(contents[index] ?? Buffer.alloc(0))).to.equal(true)
    }
    for (let round = 0; round < 5; round++) {
      const each = contents.flatMap((_, index) => [whole(index), broken(index), whole(index)])
      await Promise.all(each)
    }
    const received: Buffer[] = []
    for await (const chunk of slow) received.push(chunk)
    const bytes = Buffer.concat(received)
    expect(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4).equals(contents[0] ?? bytes)).to.equal(
      true,
    )
  })

  it('keeps no content open after an answer', async () => {
    const body = Buffer.alloc(100_000)
    const { etag = '' } = (await server.send('PUT', '/files/f', { body })).headers
    const asked = [{}, { Range: 'bytes=0-9' }, { Range: 'bytes=0-1,5-6' }, { Range: 'bytes=x' }]
    for (const headers of [...asked, { 'If-None-Match': etag }, { 'If-Match': '"x"' }]) {
      await server.send('GET', '/files/f', { headers })
    }
    await server.send('DELETE', '/files/f')
    await eventually(async () => {
      const open = await readdir('/proc/self/fd')
      const targets = await Promise.all(
        open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
      )
      return !targets.some((path) => path.startsWith(join(server.directory, 'content')))
    })
  })

  it('ends a listing that nobody reads any more', async () => {
    const tree = await server.storage.tree('alice')
    const { fileName } = await import('../../../server/storage/path.js')
    for (let i = 0; i < 3000; i++) {
      const place = { directory: tree.root, name: fileName(`n${i}`) }
      await tree.make(place, { type: 'file' }, { mode: 0, uid: 0, gid: 0 }, {})
    }
    const socket = await open('GET /files HTTP/1.1\r\nHost: h\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    expect((await server.send('GET', '/files?limit=1')).entries()).to.have.length(1)
  })

  describe('Expect: 100-continue (RFC 9110 section 10.1.1)', () => {
    const expecting = (target: string, fields = '', length = 3) =>
      `PUT ${target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n${fields}Content-Length: ${length}\r\n\r\n`

    it('is continued when the body is wanted', async () => {
      const socket = await open(expecting('/files/f'))
      const [interim] = await once(socket, 'data')
      expect(String(interim)).to.equal('HTTP/1.1 100 Continue\r\n\r\n')
      socket.write('abc')
      const [final] = await once(socket, 'data')
      expect(String(final)).to.match(/^HTTP\/1\.1 201 /)
      socket.destroy()
    })

    const refused: [what: string, request: () => string, status: number][] = [
      ['its path is bad', () => expecting('/files/..'), 400],
      ['its parent is missing', () => expecting('/files/none/f'), 404],
      ['it is too long', () => expecting('/files/f', '', 10_000_001), 413],
      ['its condition fails', () => expecting('/files/old', 'If-None-Match: *\r\n'), 412],
      ['its scope is missing', () => expecting('/files/f', 'X-Scope: file.read\r\n'), 403],
    ]
    for (const [what, request, status] of refused) {
      it(`is refused at once when ${what}`, async () => {
        await server.send('PUT', '/files/old', { body: 'old' })
        const answer = await server.raw(request())
        expect(answer).to.match(new RegExp(`^HTTP/1\\.1 ${status} `))
        expect(answer).not.to.include('100 Continue')
      })
    }
  })

  it('answers an error before a large body has come, and the connection stays usable or ends', async () => {
    const body = 'x'.repeat(1_000_000)
    const head = `PUT /files/none/f HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n`
    const next = 'GET /totals HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
    const answers = await server.raw(head + body + next)
    expect(answers.match(/HTTP\/1\.1 \d+/g)).to.deep.equal(['HTTP/1.1 404', 'HTTP/1.1 200'])
  })

  it('is refused before its body where the quota of files is used up', async () => {
    const { inodes } = await server.storage.quota('alice')
    await server.storage.setQuota('alice', { maxBytes: null, maxInodes: inodes })
    const head = 'Host: h\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n'
    const answer = await server.raw(`PUT /files/new HTTP/1.1\r\n${head}`, /\r\n\r\n/)
    expect(answer).to.match(/^HTTP\/1.1 507 /)
  })

  it('gives up on a client that goes on sending what was refused', async () => {
    const socket = await open(
      'PUT /files/none/f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`
    const send = () => new Promise((sent) => socket.write(chunk, sent))
    let sent = 0
    while (sent < 200 && !(await send())) sent++
    expect(sent).to.be.below(200)
  })
}).timeout(20_000)
