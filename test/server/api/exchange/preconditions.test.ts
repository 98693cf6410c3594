import { expect } from 'chai'
import { fileName } from '../../../../server/storage/path.js'
import { type Answer, type FileServer, startFileServer } from '../file-server.js'

const LONG_AGO = 'Tue, 14 Nov 1995 22:13:19 GMT'
const LATER = 'Tue, 14 Nov 2034 22:13:19 GMT'

/** Of a file's bytes: read.test.ts, put.test.ts, patch.test.ts; of a source: move.test.ts. */
describe('preconditions (RFC 9110 section 13)', () => {
  let server: FileServer
  beforeEach(async () => {
    server = await startFileServer()
  })
  afterEach(() => server.close())

  const outcome = (answer: Answer) => [answer.status, answer.problem().code]
  const failed = [412, 'ESTALE']
  type Rows = [headers: Record<string, string>, status: number][]

  describe('of an extended attribute', () => {
    const target = '/files/f?xattr=user.a'
    const set = (body: string, headers = {}, query = '') =>
      server.send('PUT', target + query, { body, headers })
    const value = async () => (await server.send('GET', target)).body.toString()
    let etag = ''
    beforeEach(async () => {
      await server.send('PUT', '/files/f', { body: 'f' })
      etag = String((await set('one')).headers.etag)
    })

    it('has an entity tag of its own, that of its value', async () => {
      const answers = [await server.send('GET', target), await server.send('HEAD', target)]
      for (const { headers } of answers) expect(headers.etag).to.equal(etag)
      expect((await server.send('GET', '/files/f')).headers.etag).not.to.equal(etag)
      expect((await set('two')).headers.etag).not.to.equal(etag)
      expect((await set('one')).headers.etag).to.equal(etag)
    })

    const reads: [headers: () => Record<string, string>, status: number][] = [
      [() => ({ 'If-None-Match': etag }), 304],
      [() => ({ 'If-None-Match': `"x", W/${etag}` }), 304],
      [() => ({ 'If-None-Match': '*' }), 304],
      [() => ({ 'If-None-Match': '"x"' }), 200],
      [() => ({ 'If-Match': etag }), 200],
      [() => ({ 'If-Match': '*' }), 200],
      [() => ({ 'If-Match': `W/${etag}` }), 412],
      [() => ({ 'If-Match': '"x"' }), 412],
      // it has no date
      [() => ({ 'If-Modified-Since': LATER }), 200],
      [() => ({ 'If-Unmodified-Since': LONG_AGO }), 200],
      [() => ({ 'If-Match': 'x' }), 400],
    ]
    for (const [headers, status] of reads) {
      it(`answers GET ${headers.toString().slice(6)} with ${status}`, async () => {
        const answer = await server.send('GET', target, { headers: headers() })
        expect(answer.status).to.equal(status)
        if (status === 304) {
          expect([answer.headers.etag, answer.body.length]).to.deep.equal([etag, 0])
        }
      })
    }

    it('is set only where If-Match holds, so that of many one wins', async () => {
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, i) => set(`by ${i}`, { 'If-Match': etag })),
      )
      const statuses = answers.map(({ status }) => status).sort()
      expect(statuses).to.deep.equal([204, ...Array.from({ length: 9 }, () => 412)])
      const winner = answers.findIndex(({ status }) => status === 204)
      expect(await value()).to.equal(`by ${winner}`)
      expect(outcome(await set('x', { 'If-Match': etag }))).to.deep.equal(failed)
      expect((await set('x', { 'If-Match': '*' })).status).to.equal(204)
    })

    it('is made only where there is none with If-None-Match: *', async () => {
      const headers = { 'If-None-Match': '*' }
      expect(outcome(await set('x', headers))).to.deep.equal([412, 'EEXIST'])
      expect(await value()).to.equal('one')
      await server.send('DELETE', target)
      expect(outcome(await set('x', { 'If-Match': '*' }))).to.deep.equal(failed)
      expect((await set('new', headers)).status).to.equal(204)
      expect(await value()).to.equal('new')
    })

    it('is removed only where If-Match holds', async () => {
      const remove = (headers: Record<string, string>) => server.send('DELETE', target, { headers })
      expect(outcome(await remove({ 'If-Match': '"x"' }))).to.deep.equal(failed)
      expect(outcome(await remove({ 'If-None-Match': etag }))).to.deep.equal([412, 'EEXIST'])
      expect(await value()).to.equal('one')
      expect((await remove({ 'If-Match': etag })).status).to.equal(204)
      expect(outcome(await remove({ 'If-Match': '"x"' }))).to.deep.equal([404, 'ENODATA'])
    })

    it('fails as it would without conditions where it would (section 13.2.1)', async () => {
      const headers = { 'If-Match': '"x"' }
      expect(outcome(await set('x', headers, '&mode=create'))).to.deep.equal([409, 'EEXIST'])
      await server.send('DELETE', target)
      expect(outcome(await set('x', headers, '&mode=replace'))).to.deep.equal([404, 'ENODATA'])
    })

    it('is not asked for its value where the condition fails already', async () => {
      const head = `PUT ${target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nIf-Match: "x"\r\n`
      const answer = await server.raw(`${head}Content-Length: 5\r\n\r\n`)
      expect(answer).to.match(/^HTTP\/1\.1 412 /)
    })
  })

  describe('of what has no validator', () => {
    beforeEach(async () => {
      await server.send('POST', '/files/d')
      await server.send('PUT', '/files/d/f', { body: 'f' })
      const headers = { 'Content-Type': 'application/json' }
      const body = JSON.stringify({ type: 'symlink', target: 'f' })
      await server.send('POST', '/files/d/s', { headers, body })
    })

    const targets = ['/files/d', '/files/d?limit=1', '/files/d/s', '/files/d/f?xattrs']
    const rows: Rows = [
      [{ 'If-None-Match': '*' }, 304],
      [{ 'If-None-Match': '"x"' }, 200],
      [{ 'If-Match': '*' }, 200],
      [{ 'If-Match': '"x"' }, 412],
      [{ 'If-Modified-Since': LATER }, 200],
      [{ 'If-Unmodified-Since': LONG_AGO }, 200],
      [{ 'If-None-Match': 'x' }, 400],
    ]
    for (const target of [...targets, '/files/d/f?seek=data', '/totals']) {
      it(`lets only * hold: ${target}`, async () => {
        for (const method of ['GET', 'HEAD']) {
          for (const [headers, status] of rows) {
            const answer = await server.send(method, target, { headers })
            expect(answer.status, `${method} ${JSON.stringify(headers)}`).to.equal(status)
            if (status < 400) expect(answer.headers).not.to.have.any.keys('etag', 'last-modified')
          }
        }
      })
    }

    it('lets only * hold: a directory of many pages', async () => {
      const tree = await server.storage.tree('alice')
      const attributes = { mode: 0o644, uid: 0, gid: 0 }
      for (let i = 0; i < 1000; i += 1) {
        const place = { directory: tree.root, name: fileName(`p${i}`) }
        await tree.make(place, { type: 'fifo' }, attributes, {})
      }
      for (const [headers, status] of rows) {
        const answer = await server.send('GET', '/files/', { headers })
        expect(answer.status, JSON.stringify(headers)).to.equal(status)
      }
    })

    it('knows the entity tag of a directory where it is written to', async () => {
      await server.send('POST', '/files/e')
      const { etag = '' } = (await server.send('HEAD', '/files/e')).attributes()
      const listed = await server.send('GET', '/files/e', { headers: { 'If-Match': etag } })
      expect(outcome(listed)).to.deep.equal(failed)
      await server.send('PUT', '/files/e/new', { body: '' })
      await server.send('DELETE', '/files/e/new')
      const old = await server.send('DELETE', '/files/e', { headers: { 'If-Match': '"x"' } })
      expect(outcome(old)).to.deep.equal(failed)
      const now = (await server.send('HEAD', '/files/e')).attributes().etag ?? ''
      const headers = { 'If-Match': now }
      expect((await server.send('DELETE', '/files/e', { headers })).status).to.equal(204)
    })
  })

  describe('of what POST is to make', () => {
    const bodies: [what: string, body: object | undefined][] = [
      ['a directory', undefined],
      ['a symlink', { type: 'symlink', target: 'x' }],
      ['a fifo', { type: 'fifo' }],
      ['a link', { type: 'link', path: '/f' }],
    ]
    const post = (target: string, body: object | undefined, headers: Record<string, string>) =>
      server.send('POST', target, {
        headers: { 'Content-Type': 'application/json', ...headers },
        ...(body && { body: JSON.stringify(body) }),
      })
    for (const [what, body] of bodies) {
      it(`knows that nothing is there: ${what}`, async () => {
        await server.send('PUT', '/files/f', { body: 'f' })
        for (const tags of ['*', '"x"']) {
          const refused = await post('/files/new', body, { 'If-Match': tags })
          expect(outcome(refused)).to.deep.equal(failed)
        }
        expect((await server.send('HEAD', '/files/new')).status).to.equal(404)
        const made = await post('/files/new', body, {
          'If-None-Match': '*',
          'If-Unmodified-Since': LONG_AGO,
        })
        expect(made.status).to.equal(201)
        for (const headers of [{ 'If-Match': '"x"' }, { 'If-None-Match': '*' }]) {
          expect(outcome(await post('/files/new', body, headers))).to.deep.equal([409, 'EEXIST'])
        }
        const broken = await post('/files/other', body, { 'If-Match': 'x' })
        expect(outcome(broken)).to.deep.equal([400, 'EINVAL'])
      })
    }

    it('is about the file itself with ?sync', async () => {
      const { etag = '' } = (await server.send('PUT', '/files/f', { body: 'f' })).headers
      const sync = (headers: Record<string, string>) =>
        server.send('POST', '/files/f?sync', { headers })
      expect((await sync({ 'If-Match': etag })).status).to.equal(204)
      expect(outcome(await sync({ 'If-Match': '"x"' }))).to.deep.equal(failed)
      expect(outcome(await sync({ 'If-Unmodified-Since': LONG_AGO }))).to.deep.equal(failed)
    })
  })

  it('hold for DELETE of an inode by number', async () => {
    const { ino, etag = '' } = (await server.send('PUT', '/files/f', { body: 'f' })).attributes()
    const release = (headers: Record<string, string>) =>
      server.send('DELETE', `/inodes/${ino}`, { headers })
    expect(outcome(await release({ 'If-Match': '"x"' }))).to.deep.equal(failed)
    await server.send('DELETE', '/files/f?keep')
    const refused = [{ 'If-Match': '"x"' }, { 'If-Unmodified-Since': LONG_AGO }]
    for (const headers of refused) expect(outcome(await release(headers))).to.deep.equal(failed)
    expect(outcome(await release({ 'If-None-Match': '*' }))).to.deep.equal([412, 'EEXIST'])
    expect((await server.send('GET', `/inodes/${ino}`)).status).to.equal(200)
    expect((await release({ 'If-Match': etag })).status).to.equal(204)
    expect((await server.send('GET', `/inodes/${ino}`)).status).to.equal(410)
    expect((await release({ 'If-None-Match': '*' })).status).to.equal(204)
    expect(outcome(await release({ 'If-Match': '*' }))).to.deep.equal(failed)
  })
})
