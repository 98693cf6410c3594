import { once } from 'node:events'
import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { COPY_TYPE, ZERO_TYPE } from '../../../server/wire/patch.js'
import { type FileServer, startFileServer } from './file-server.js'

/** What a client does wrong halfway: nothing is visible, nothing is left behind, the server goes on. */
describe('an interrupted request', () => {
  let server: FileServer
  beforeEach(async () => {
    server = await startFileServer({ limits: { uploadBytes: 10_000_000 } })
  })
  afterEach(() => server.close())

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
      const socket = await server.open(`PUT /files/f HTTP/1.1\r\nHost: h\r\n${head}\r\n\r\n${sent}`)
      await eventually(async () => (await contentFiles()) > files)
      socket.destroy()
      await eventually(async () => (await contentFiles()) === files)
      expect((await server.send('HEAD', '/files/f')).status).to.equal(404)
    })

    it(`leaves the old content after a replacement with ${what}`, async () => {
      const before = (await server.send('PUT', '/files/f', { body: 'old' })).attributes()
      const files = await contentFiles()
      const socket = await server.open(`PUT /files/f HTTP/1.1\r\nHost: h\r\n${head}\r\n\r\n${sent}`)
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
    const socket = await server.open(
      `${head}\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(50_000)}`,
    )
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
      const socket = await server.open(`GET /files/large HTTP/1.1\r\nHost: h\r\n${range}\r\n`)
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
      const socket = await server.open(`GET /files/f${index} HTTP/1.1\r\nHost: h\r\n\r\n`)
      await once(socket, 'data')
      socket.destroy()
    }
    const slow = await server.open('GET /files/f0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
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
    const socket = await server.open('GET /files HTTP/1.1\r\nHost: h\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    expect((await server.send('GET', '/files?limit=1')).entries()).to.have.length(1)
  })

  describe('Expect: 100-continue (RFC 9110 section 10.1.1)', () => {
    const expecting = (target: string, fields = '', length = 3, method = 'PUT') =>
      `${method} ${target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n${fields}Content-Length: ${length}\r\n\r\n`

    it('is continued when the body is wanted', async () => {
      const socket = await server.open(expecting('/files/f'))
      const [interim] = await once(socket, 'data')
      expect(String(interim)).to.equal('HTTP/1.1 100 Continue\r\n\r\n')
      socket.write('abc')
      const [final] = await once(socket, 'data')
      expect(String(final)).to.match(/^HTTP\/1\.1 201 /)
      socket.destroy()
    })

    const PATCH_BYTES = 'Content-Type: application/octet-stream\r\n'
    const JSON_TYPE = 'Content-Type: application/json\r\n'
    const TUS = 'Tus-Resumable: 1.0.0\r\nUpload-Length: 2000\r\n'
    const OTHER = 'If-Match: "other"\r\n'
    const RANGE = `${PATCH_BYTES}Content-Range: bytes 1001-1003/*\r\n`
    const refused: [what: string, status: number, ...request: Parameters<typeof said>][] = [
      ['its path is bad', 400, 'PUT', '..'],
      ['its parent is missing', 404, 'PUT', 'none/f'],
      ['it is too long', 413, 'PUT', 'f', '', 10_000_001],
      ['its condition fails', 412, 'PUT', 'old', 'If-None-Match: *\r\n'],
      ['its scope is missing', 403, 'PUT', 'f', 'X-Scope: file.read\r\n'],
      ['it is a directory', 400, 'PUT', 'folder'],
      ['it is beyond the quota', 507, 'PUT', 'f', '', 1001],
      ['a range is beyond the quota', 507, 'PATCH', 'old', RANGE],
      ['what is appended is beyond the quota', 507, 'PATCH', 'old?append', PATCH_BYTES, 1001],
      ['the condition of a range fails', 412, 'PATCH', 'old', OTHER + RANGE],
      ['there is no file to write to', 404, 'PATCH', 'f?append', PATCH_BYTES],
      ['the condition of attributes fails', 412, 'PATCH', 'old', OTHER + JSON_TYPE],
      ['what has the attributes is missing', 404, 'PATCH', 'f', JSON_TYPE],
      ['zeros are for a directory', 400, 'PATCH', 'folder', `Content-Type: ${ZERO_TYPE}\r\n`],
      [
        'the condition of zeros fails',
        412,
        'PATCH',
        'old',
        `${OTHER}Content-Type: ${ZERO_TYPE}\r\n`,
      ],
      [
        'the condition of a copy fails',
        412,
        'PATCH',
        'old',
        `${OTHER}Content-Type: ${COPY_TYPE}\r\n`,
      ],
      ['the type of a patch is unknown', 415, 'PATCH', 'old', 'Content-Type: text/plain\r\n'],
      ['an upload in parts is beyond the quota', 507, 'POST', 'f', TUS],
      ['the condition of one fails', 412, 'POST', 'f', OTHER + TUS],
      ['what it makes exists', 409, 'POST', 'old', JSON_TYPE],
      ['what it makes has no parent', 404, 'POST', 'none/f', JSON_TYPE],
      ['what it makes is beyond the quota', 507, 'POST', 'f', `${JSON_TYPE}X-User: full\r\n`],
      ['what it makes cannot match', 412, 'POST', 'f', OTHER + JSON_TYPE],
      ['there is no xattr to replace', 404, 'PUT', 'old?xattr=user.b&mode=replace'],
      ['the xattr is there already', 409, 'PUT', 'old?xattr=user.a&mode=create'],
      ['the condition of the xattr fails', 412, 'PUT', 'old?xattr=user.a', OTHER],
      ['the name of the xattr is bad', 400, 'PUT', `old?xattr=${'x'.repeat(256)}`],
      ['the xattr is beyond the quota', 507, 'PUT', 'old?xattr=user.b', '', 1001],
    ]
    /** What is said to the head of a request: nothing of its body is ever sent. */
    async function said(method: string, target: string, fields = '', length = 3): Promise<string> {
      await server.send('PUT', '/files/old', { body: 'old' })
      await server.send('PUT', '/files/old?xattr=user.a', { body: 'a' })
      await server.send('POST', '/files/folder')
      await server.storage.setQuota('alice', { maxBytes: 1004, maxInodes: null })
      await server.storage.tree('full')
      await server.storage.setQuota('full', { maxBytes: null, maxInodes: 1 })
      const head = expecting(`/files/${target}`, fields, length, method)
      return (await server.raw(head, /\r\n\r\n/)).slice(0, 'HTTP/1.1 nnn'.length)
    }

    for (const [what, status, ...request] of refused) {
      it(`is refused at once when ${what}`, async () => {
        expect(await said(...request)).to.equal(`HTTP/1.1 ${status}`)
      })
    }

    const wanted: [what: string, ...request: Parameters<typeof said>][] = [
      [
        'a range within the quota',
        'PATCH',
        'old',
        RANGE.replace('1003', '1002').replace('1001', '1000'),
      ],
      ['attributes', 'PATCH', 'old', JSON_TYPE],
      ['something new', 'POST', 'f', JSON_TYPE],
      ['an xattr to replace', 'PUT', 'old?xattr=user.a&mode=replace', '', 1001],
      ['an xattr to make', 'PUT', 'old?xattr=user.b&mode=create', '', 1000],
    ]
    for (const [what, ...request] of wanted) {
      it(`is continued for ${what}`, async () => {
        expect(await said(...request)).to.equal('HTTP/1.1 100')
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
    const socket = await server.open(
      'PUT /files/none/f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`
    const send = () => new Promise((sent) => socket.write(chunk, sent))
    let sent = 0
    while (sent < 200 && !(await send())) sent++
    expect(sent).to.be.below(200)
  })
})
