import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame, FrameReader } from '../../../../server/wire/frames.js'
import { type FileServer, type Options, startFileServer } from '../file-server.js'

const ZERO = 'application/vnd.coffer.zero+json'
const COPY = 'application/vnd.coffer.copy+json'
const SIZE = 1_000_000

/** Holes, zeros and copies: ranges whose bytes are not sent. */
describe('ranges of a file', () => {
  let server: FileServer
  let ino = 0
  let content: Buffer
  beforeEach(async () => {
    server = await startFileServer()
    content = randomBytes(SIZE)
    ino = (await server.send('PUT', '/files/f', { body: content })).attributes().ino
  })
  afterEach(() => server.close())

  const patch = (target: string, type: string, body: object, more: Options = {}) =>
    server.send('PATCH', target, {
      ...more,
      headers: { 'Content-Type': type, ...more.headers },
      body: JSON.stringify(body),
    })
  const seek = async (what: string, offset: number) =>
    JSON.parse(String((await server.send('GET', `/files/f?seek=${what}&offset=${offset}`)).body))

  async function batch(operation: object, options: Options = {}) {
    const headers = { 'Content-Type': BATCH_TYPE }
    const { body } = await server.send('POST', '/batch', {
      ...options,
      headers,
      body: encodeFrame(operation),
    })
    async function* source() {
      yield body
    }
    return (await new FrameReader(source()).next())?.header ?? {}
  }

  it('become zeros whose room is free (PATCH, fallocate(2))', async () => {
    const zeroed = await patch('/files/f', ZERO, { offset: 409_600, bytes: SIZE })
    expect([zeroed.status, zeroed.attributes().size]).to.deep.equal([204, SIZE])
    expect(zeroed.attributes().allocated).to.be.below(420_000)
    const { body } = await server.send('GET', '/files/f')
    expect(body.equals(content.fill(0, 409_600))).to.equal(true)
    const longer = await patch('/files/f', ZERO, { offset: SIZE, bytes: 5, extend: true })
    expect(longer.attributes().size).to.equal(SIZE + 5)
    expect([await seek('data', 0), await seek('hole', 0)]).to.deep.equal([
      { offset: 0 },
      { offset: 409_600 },
    ])
    // at most the last block is left: a hole begins and ends with a block
    const { offset } = await seek('data', 500_000)
    expect(offset ?? SIZE).to.be.at.least(SIZE - 4096)
  })

  it('are copied on the server (PATCH, copy_file_range(2))', async () => {
    await server.send('PUT', '/files/g', { body: 'begin' })
    const body = { from: { ino, offset: 10 }, offset: 3, bytes: 2 * SIZE }
    const copied = await patch('/files/g', COPY, body)
    expect([copied.status, JSON.parse(String(copied.body))]).to.deep.equal([
      200,
      { copied: SIZE - 10 },
    ])
    const stale = { headers: { 'If-Match': '"x"' } }
    const nothing = { ...body, from: { ino, offset: SIZE } }
    expect((await patch('/files/g', COPY, nothing, stale)).status).to.equal(412)
    const all = Buffer.concat([Buffer.from('beg'), content.subarray(10)])
    expect((await server.send('GET', '/files/g')).body.equals(all)).to.equal(true)
  })

  it('do the same in a batch, under ifMatch', async () => {
    const { etag } = (await server.send('HEAD', '/files/f')).attributes()
    const zero = { op: 'zero', ino, offset: 0, bytes: 409_600 }
    expect(await batch({ ...zero, ifMatch: '"x"' })).to.include({ outcome: 'failed', status: 412 })
    expect(await batch({ ...zero, ifMatch: etag })).to.include({ outcome: 'done' })
    const found = await batch({ op: 'seek', ino, offset: 5, what: 'hole' })
    expect(found).to.deep.equal({ outcome: 'done', offset: 5 })
    expect(await batch({ op: 'seek', ino, offset: SIZE, what: 'data' })).to.deep.equal({
      outcome: 'done',
    })
    const to = (await server.send('PUT', '/files/g', { body: '' })).attributes().ino
    const copy = { op: 'copyRange', from: { ino, offset: 0 }, to: { ino: to, offset: 0 } }
    expect(await batch({ ...copy, bytes: SIZE })).to.include({ outcome: 'done', copied: SIZE })
    const { body } = await server.send('GET', '/files/g')
    expect(body.equals(content.fill(0, 0, 409_600))).to.equal(true)
  })

  it('reach no other user’s files, and need file.write to change', async () => {
    const bob = { user: 'bob' }
    const his = (await server.send('PUT', '/files/his', { body: 'his', ...bob })).attributes().ino
    const steal = { from: { ino, offset: 0 }, offset: 0, bytes: 5 }
    expect((await patch(`/inodes/${his}`, COPY, steal, bob)).problem().code).to.equal('ENOENT')
    expect((await patch(`/inodes/${ino}`, ZERO, { offset: 0, bytes: 5 }, bob)).status).to.equal(404)
    expect((await server.send('GET', `/inodes/${ino}?seek=data`, bob)).status).to.equal(404)
    const reader = { scope: 'file.read' }
    const denied = await batch({ op: 'zero', ino, offset: 0, bytes: 1 }, reader)
    expect(denied).to.include({ outcome: 'failed', code: 'EACCES' })
  })

  const refused: [string, object][] = [
    [ZERO, { offset: 0, bytes: 0 }],
    [ZERO, { offset: -1, bytes: 1 }],
    [ZERO, { offset: 0 }],
    [COPY, { from: { ino: 0, offset: 0 }, offset: 0, bytes: 1 }],
    [COPY, { offset: 0, bytes: 1 }],
  ]
  for (const [type, body] of refused) {
    it(`refuse ${type} ${JSON.stringify(body)}`, async () => {
      expect((await patch('/files/f', type, body)).problem().code).to.equal('EINVAL')
    })
  }

  it('refuse to seek what is neither, or nowhere', async () => {
    for (const query of ['seek=end', 'seek=data&offset=x', 'offset=1']) {
      expect((await server.send('GET', `/files/f?${query}`)).status).to.equal(400)
    }
  })
})
