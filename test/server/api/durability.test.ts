import { expect } from 'chai'
import { type Disk, nodeDisk } from '../../../server/storage/disk/disk.js'
import { encodeFrame } from '../../../server/wire/frames.js'
import { type FileServer, type Options, startFileServer } from './file-server.js'

/** What an answer promises (docs/file-api.md, "Durability"): counted in syncs of the database's log before it. */
describe('a change is answered once it survives', () => {
  let server: FileServer
  let ino: number
  let syncs = 0
  const logs = new Set<number>()
  const disk: Disk = {
    ...nodeDisk,
    open: (path, flags) => {
      const fd = nodeDisk.open(path, flags)
      if (path.endsWith('-wal')) logs.add(fd)
      else logs.delete(fd)
      return fd
    },
    fdatasync: async (fd) => {
      await nodeDisk.fdatasync(fd)
      if (logs.has(fd)) syncs++
    },
  }
  before(async () => {
    server = await startFileServer({ disk })
    await server.send('PUT', '/files/f', { body: 'content' })
    await server.send('POST', '/files/d')
    ino = (await server.send('HEAD', '/files/f')).attributes().ino
  })
  after(() => server.close())

  const json = { 'Content-Type': 'application/json' }
  const bytes = { 'Content-Type': 'application/octet-stream' }
  const tus = { 'Tus-Resumable': '1.0.0', 'Content-Type': 'application/offset+octet-stream' }
  const frame = (header: object) => ({
    headers: { 'Content-Type': 'application/vnd.coffer.batch' },
    body: encodeFrame(header),
  })
  /** Each can be done again and again. */
  const changes: [method: string, target: string, options: () => Options][] = [
    ['PUT', '/files/f', () => ({ body: 'new content' })],
    ['PUT', '/files/big', () => ({ body: 'x'.repeat(100_000) })],
    ['PUT', '/files/f?xattr=user.a', () => ({ body: 'value' })],
    ['DELETE', '/files/f?xattr=user.a', () => ({})],
    ['PATCH', '/files/f', () => ({ headers: json, body: '{"mtime":"now"}' })],
    ['PATCH', '/files/f?append', () => ({ headers: bytes, body: 'more' })],
    [
      'PATCH',
      '/files/f',
      () => ({
        headers: { 'Content-Type': 'application/vnd.coffer.zero+json' },
        body: '{"offset":1,"bytes":2}',
      }),
    ],
    [
      'PATCH',
      '/files/f',
      () => ({
        headers: { 'Content-Type': 'application/vnd.coffer.copy+json' },
        body: JSON.stringify({ from: { ino, offset: 0 }, offset: 5, bytes: 2 }),
      }),
    ],
    ['POST', '/files/made', () => ({})],
    ['DELETE', '/files/doomed', () => ({})],
    ['POST', '/files/link', () => ({ headers: json, body: '{"type":"link","path":"/f"}' })],
    ['MOVE', '/files/f', () => ({ headers: { Destination: '/files/g' } })],
    ['MOVE', '/files/g', () => ({ headers: { Destination: '/files/f' } })],
    ['COPY', '/files/f', () => ({ headers: { Destination: '/files/copy' } })],
    [
      'POST',
      '/files/uploaded',
      () => ({ headers: { ...tus, 'Upload-Length': '7' }, body: 'content' }),
    ],
    ['POST', '/batch', () => frame({ op: 'setAttributes', ino, changes: { mtime: 'now' } })],
  ]

  for (const [method, target, options] of changes) {
    const what = `${method} ${target}`
    it(`${what}: loss of power, unless less is asked for`, async () => {
      for (const [durability, least, most] of [
        ['power', 1, Number.POSITIVE_INFINITY],
        [undefined, 1, Number.POSITIVE_INFINITY],
        ['process', 0, 0],
      ] as const) {
        if (method !== 'PATCH' && target !== '/batch') await again(target)
        const { headers, body } = options()
        const before = syncs
        const answer = await server.send(method, target, {
          headers: {
            ...headers,
            ...(durability !== undefined && { 'Coffer-Durability': durability }),
          },
          ...(body !== undefined && { body }),
        })
        expect(answer.status, answer.body.toString()).to.be.within(200, 299)
        expect(syncs - before, durability).to.be.within(least, most)
      }
    })
  }

  it('an operation of a batch: loss of power, if it asks for that itself', async () => {
    const options = frame({ op: 'stat', ino, durability: 'power' })
    const before = syncs
    const headers = { ...options.headers, 'Coffer-Durability': 'process' }
    await server.send('PUT', '/files/f', {
      headers: { 'Coffer-Durability': 'process' },
      body: 'not synced',
    })
    expect(syncs).to.equal(before)
    await server.send('POST', '/batch', { ...options, headers })
    expect(syncs).to.be.above(before)
  })

  it('POST ?sync: loss of power', async () => {
    const headers = { 'Coffer-Durability': 'process' }
    await server.send('PUT', '/files/f', { headers, body: 'not synced' })
    const before = syncs
    expect((await server.send('POST', '/files/f?sync', { headers })).status).to.equal(204)
    expect(syncs).to.be.above(before)
  })

  /** Puts everything where the requests expect it. */
  async function again(target: string): Promise<void> {
    const headers = { 'Coffer-Durability': 'process' }
    const send = (method: string, path: string, options: Options = {}) =>
      server.send(method, path, { ...options, headers: { ...headers, ...options.headers } })
    for (const name of ['made', 'link', 'copy', 'uploaded', 'g']) {
      await send('DELETE', `/files/${name}`)
    }
    const { ino: now } = (await send('PUT', '/files/f', { body: 'content' })).attributes()
    ino = now
    await send('PUT', '/files/f?xattr=user.a', { body: 'old' })
    await send('PUT', '/files/doomed')
    if (target === '/files/g') {
      await send('MOVE', '/files/f', { headers: { Destination: '/files/g' } })
    }
  }
})
