import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { type Answer, type FileServer, startFileServer } from './file-server.js'

describe('changing names', () => {
  let server: FileServer
  beforeEach(async () => {
    server = await startFileServer()
    await server.send('POST', '/files/d')
    await server.send('PUT', '/files/f', { body: 'f' })
    await server.send('PUT', '/files/d/g', { body: 'g' })
  })
  afterEach(() => server.close())

  const post = (target: string, body: unknown, headers = {}) =>
    server.send('POST', target, {
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', ...headers },
    })
  const ino = async (target: string) => (await server.send('HEAD', target)).attributes().ino
  const text = async (target: string) => (await server.send('GET', target)).body.toString()
  const status = async (target: string) => (await server.send('HEAD', target)).status
  const outcome = (answer: Answer) => [answer.status, answer.problem().code]

  describe('POST', () => {
    it('makes a directory without a body', async () => {
      const answer = await server.send('POST', '/files/new', { headers: { 'Coffer-Mode': '700' } })
      expect([answer.status, answer.attributes().type, answer.attributes().mode]).to.deep.equal([
        201,
        'directory',
        0o700,
      ])
      expect((await server.send('POST', '/files/usual')).attributes().mode).to.equal(0o755)
    })

    it('makes no directory of a request that has lost its body (RFC 9530 section 3)', async () => {
      const digest = (text: string) =>
        `sha-256=:${createHash('sha256').update(text).digest('base64')}:`
      const headers = { 'Repr-Digest': digest('{"type":"file"}') }
      const answer = await server.send('POST', '/files/lost', { headers })
      expect(outcome(answer)).to.deep.equal([400, 'EINVAL'])
      expect(await status('/files/lost')).to.equal(404)
      const empty = { 'Repr-Digest': digest('') }
      expect((await server.send('POST', '/files/lost', { headers: empty })).status).to.equal(201)
    })

    const made: [body: object, expected: object][] = [
      [{ type: 'directory' }, { type: 'directory', mode: 0o755, nlink: 2 }],
      [
        { type: 'directory', mode: 0o1777, uid: 1 },
        { type: 'directory', mode: 0o1777, uid: 1 },
      ],
      [{ type: 'file' }, { type: 'file', mode: 0o644, size: 0 }],
      [
        { type: 'file', mtime: '5', atime: '-5' },
        { mtime: '5', atime: '-5' },
      ],
      [
        { type: 'symlink', target: '/etc/passwd' },
        { target: '/etc/passwd', size: 11 },
      ],
      [
        { type: 'symlink', target: '../../..' },
        { type: 'symlink', target: '../../..' },
      ],
      [{ type: 'fifo' }, { type: 'fifo', size: 0 }],
      [{ type: 'socket' }, { type: 'socket' }],
      [
        { type: 'chardev', rdev: 259 },
        { type: 'chardev', rdev: 259 },
      ],
      [{ type: 'blockdev' }, { type: 'blockdev', rdev: 0 }],
    ]
    for (const [body, expected] of made) {
      it(`makes ${JSON.stringify(body)}`, async () => {
        const answer = await post('/files/new', body)
        expect(answer.status).to.equal(201)
        expect(answer.attributes()).to.include(expected)
        expect((await server.send('HEAD', '/files/new')).attributes()).to.deep.equal(
          answer.attributes(),
        )
      })
    }

    it('makes a hard link, by number and by path', async () => {
      const number = await ino('/files/f')
      const one = await post('/files/one', { type: 'link', ino: number })
      expect([one.status, one.attributes().ino, one.attributes().nlink]).to.deep.equal([
        201,
        number,
        2,
      ])
      expect(
        (await post('/files/d/two', { type: 'link', path: '/f' })).attributes().nlink,
      ).to.equal(3)
      const directory = await post('/files/no', { type: 'link', path: '/d' })
      expect(outcome(directory)).to.deep.equal([403, 'EPERM'])
    })

    const refused: [what: string, target: string, body: unknown, status: number, code: string][] = [
      ['what exists', '/files/f', { type: 'directory' }, 409, 'EEXIST'],
      ['the root', '/files/', { type: 'directory' }, 409, 'EEXIST'],
      ['no parent', '/files/none/new', { type: 'directory' }, 404, 'ENOENT'],
      ['a parent that is a file', '/files/f/new', { type: 'directory' }, 409, 'ENOTDIR'],
      ['broken JSON', '/files/new', '{"type":', 400, 'EINVAL'],
      ['an unknown type', '/files/new', { type: 'door' }, 400, 'EINVAL'],
      ['no type', '/files/new', {}, 400, 'EINVAL'],
      ['a symlink without target', '/files/new', { type: 'symlink' }, 400, 'EINVAL'],
      ['an empty target', '/files/new', { type: 'symlink', target: '' }, 400, 'EINVAL'],
      ['a NUL in a target', '/files/new', { type: 'symlink', target: 'a\0b' }, 400, 'EINVAL'],
      ['a long target', '/files/new', { type: 'symlink', target: 'a'.repeat(4096) }, 400, 'EINVAL'],
      [
        'a directory with a target',
        '/files/new',
        { type: 'directory', target: 'a' },
        400,
        'EINVAL',
      ],
      ['a link to nothing', '/files/new', { type: 'link', ino: 999999 }, 404, 'ENOENT'],
      ['a link to no path', '/files/new', { type: 'link', path: '/none' }, 404, 'ENOENT'],
      ['a link above the root', '/files/new', { type: 'link', path: '/../f' }, 400, 'EINVAL'],
      ['a link without source', '/files/new', { type: 'link' }, 400, 'EINVAL'],
      [
        'a link with two sources',
        '/files/new',
        { type: 'link', ino: 2, path: '/f' },
        400,
        'EINVAL',
      ],
      ['a huge JSON', '/files/new', ' '.repeat(70_000), 413, 'E2BIG'],
    ]
    for (const [what, target, body, expected, code] of refused) {
      it(`refuses ${what} with ${code}`, async () => {
        expect(outcome(await post(target, body))).to.deep.equal([expected, code])
      })
    }

    it('refuses a body that is no JSON with 415', async () => {
      const answer = await post('/files/new', 'x', { 'Content-Type': 'text/plain' })
      expect([answer.status, answer.headers.accept]).to.deep.equal([415, 'application/json'])
    })

    it('makes a file without a name, which a link names', async () => {
      const answer = await post('/files/d?nameless', { mode: 0o600 })
      const { ino, nlink, mode } = answer.attributes()
      expect([answer.status, nlink, mode]).to.deep.equal([201, 0, 0o600])
      const named = await post('/files/named', { type: 'link', ino })
      expect([named.status, named.attributes().ino, named.attributes().nlink]).to.deep.equal([
        201,
        ino,
        1,
      ])
      const plain = await server.send('POST', '/files/?nameless')
      expect([plain.status, plain.attributes().mode]).to.deep.equal([201, 0o644])
      expect(outcome(await post('/files/f?nameless', {}))).to.deep.equal([409, 'ENOTDIR'])
      expect(outcome(await post('/files/none?nameless', {}))).to.deep.equal([404, 'ENOENT'])
    })

    it('syncs a file', async () => {
      const headers = { 'Coffer-Durability': 'process' }
      await server.send('PUT', '/files/s', { body: 'x', headers })
      const answer = await server.send('POST', `/inodes/${await ino('/files/s')}?sync`)
      expect([answer.status, answer.attributes().size]).to.deep.equal([204, 1])
      expect((await server.send('POST', '/files/none?sync')).status).to.equal(404)
    })
  })

  describe('DELETE', () => {
    const rows: [target: string, status: number, code: string | undefined][] = [
      ['/files/f', 204, undefined],
      ['/files/d/g', 204, undefined],
      ['/files/d', 400, 'ENOTEMPTY'],
      ['/files/none', 404, 'ENOENT'],
      ['/files/f/none', 409, 'ENOTDIR'],
      ['/files/', 409, 'EBUSY'],
      ['/files/d?kind=unlink', 400, 'EISDIR'],
      ['/files/f?kind=rmdir', 409, 'ENOTDIR'],
      ['/files/f?kind=unlink', 204, undefined],
      ['/files/f?kind=shred', 400, 'EINVAL'],
      ['/files/f?sure', 400, 'EINVAL'],
    ]
    for (const [target, expected, code] of rows) {
      it(`answers ${target} with ${code ?? expected}`, async () => {
        const answer = await server.send('DELETE', target)
        expect(answer.status).to.equal(expected)
        if (code !== undefined) expect(answer.problem().code).to.equal(code)
        const gone = expected === 204 ? 404 : await status(target.replace(/\?.*/, ''))
        expect(await status(target.replace(/\?.*/, ''))).to.equal(gone)
      })
    }

    it('removes an empty directory', async () => {
      await server.send('DELETE', '/files/d/g')
      expect((await server.send('DELETE', '/files/d?kind=rmdir')).status).to.equal(204)
    })

    it('holds If-Match', async () => {
      const stale = await server.send('DELETE', '/files/f', { headers: { 'If-Match': '"x"' } })
      expect(outcome(stale)).to.deep.equal([412, 'ESTALE'])
      const { etag = '' } = (await server.send('HEAD', '/files/f')).headers
      const headers = { 'If-Match': etag }
      expect((await server.send('DELETE', '/files/f', { headers })).status).to.equal(204)
    })

    it('says gone for an inode whose last name went, unless it is kept', async () => {
      const gone = await ino('/files/f')
      await server.send('DELETE', '/files/f')
      for (const method of ['GET', 'PUT', 'PATCH']) {
        const headers = method === 'PATCH' ? { 'Content-Type': 'application/json' } : {}
        const answer = await server.send(method, `/inodes/${gone}`, { body: '{}', headers })
        expect([method, ...outcome(answer)]).to.deep.equal([method, 410, 'ESTALE'])
      }
      const kept = await ino('/files/d/g')
      await server.send('DELETE', '/files/d/g?keep')
      expect(await text(`/inodes/${kept}`)).to.equal('g')
      expect((await server.send('HEAD', `/inodes/${kept}`)).attributes().nlink).to.equal(0)
      const patch = { body: '!', headers: { 'Content-Type': 'application/octet-stream' } }
      expect((await server.send('PATCH', `/inodes/${kept}?append`, patch)).status).to.equal(204)
      expect(await text(`/inodes/${kept}`)).to.equal('g!')
      for (const _ of ['once', 'and a repeated request']) {
        expect((await server.send('DELETE', `/inodes/${kept}`)).status).to.equal(204)
      }
      expect((await server.send('GET', `/inodes/${kept}`)).status).to.equal(410)
    })
  })
})
