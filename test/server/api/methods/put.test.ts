import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { type Answer, type FileServer, startFileServer } from '../file-server.js'

const NOW = '1700000000000000000'

describe('changing content', () => {
  let server: FileServer
  before(async () => {
    server = await startFileServer({ limits: { uploadBytes: 100_000, jsonBytes: 1000 } })
  })
  after(() => server.close())

  const put = (name: string, body: string | Buffer, headers = {}) =>
    server.send('PUT', `/files/${name}`, { body, headers })
  const text = async (name: string) => (await server.send('GET', `/files/${name}`)).body.toString()
  const outcome = (answer: Answer) => [answer.status, answer.problem().code]

  describe('PUT', () => {
    it('creates with 201 and replaces with 200, the same inode in a new version', async () => {
      const one = await put('a', 'one')
      expect(one.status).to.equal(201)
      expect(one.attributes()).to.include({ type: 'file', size: 3, mode: 0o644, uid: 0, gid: 0 })
      expect(JSON.parse(one.body.toString())).to.deep.equal(one.attributes())
      const two = await put('a', 'other')
      expect(two.status).to.equal(200)
      expect(two.attributes()).to.include({ ino: one.attributes().ino, size: 5 })
      expect(two.headers.etag).not.to.equal(one.headers.etag)
      expect(two.headers.etag).to.equal((await server.send('HEAD', '/files/a')).headers.etag)
      expect(await text('a')).to.equal('other')
    })

    it('gives what it creates the attributes asked for', async () => {
      const fields = {
        'Coffer-Mode': '4755',
        'Coffer-Uid': '1000',
        'Coffer-Gid': '4294967294',
        'Coffer-Mtime': '-1',
        'Coffer-Atime': NOW,
      }
      expect((await put('attributes', 'x', fields)).attributes()).to.include({
        mode: 0o4755,
        uid: 1000,
        gid: 4294967294,
        mtime: '-1',
        atime: NOW,
      })
    })

    const badFields: [name: string, value: string][] = [
      ['Coffer-Mode', '0888'],
      ['Coffer-Mode', '10000'],
      ['Coffer-Mode', 'rwxr-xr-x'],
      ['Coffer-Uid', '-1'],
      ['Coffer-Uid', '4294967295'],
      ['Coffer-Gid', '1e3'],
      ['Coffer-Mtime', '1.5'],
      ['Coffer-Mtime', 'now'],
      ['Coffer-Mtime', '9223372036854775808'],
      ['Coffer-Atime', ''],
      ['Coffer-Ino', 'x'],
      ['Coffer-Connection', 'a secret with blanks in it'],
      ['Coffer-Connection', 'too-short-for-a-secret'.slice(1)],
      ['Coffer-Connection', 'a'.repeat(65)],
      ['Coffer-Durability', 'eternal'],
      ['Content-Digest', 'nonsense'],
      ['If-Match', 'nonsense'],
      ['Content-Range', 'bytes 0-0/1'],
    ]
    for (const [name, value] of badFields) {
      it(`refuses ${name}: ${value.slice(0, 30)}`, async () => {
        const answer = await put('refused', 'x', { [name]: value })
        expect(outcome(answer)).to.deep.equal([400, 'EINVAL'])
        expect(answer.problem().detail).to.include(name.replace('Content-Range', 'PATCH'))
        expect((await server.send('HEAD', '/files/refused')).status).to.equal(404)
      })
    }

    it('keeps its promises of If-Match and If-None-Match', async () => {
      const { etag = '' } = (await put('c', '1')).headers
      expect(outcome(await put('c', '2', { 'If-None-Match': '*' }))).to.deep.equal([412, 'EEXIST'])
      expect(outcome(await put('c', '2', { 'If-Match': '"x"' }))).to.deep.equal([412, 'ESTALE'])
      expect((await put('c', '2', { 'If-Match': etag })).status).to.equal(200)
      expect(outcome(await put('c', '3', { 'If-Match': etag }))).to.deep.equal([412, 'ESTALE'])
      expect(outcome(await put('none', '3', { 'If-Match': '*' }))).to.deep.equal([412, 'ESTALE'])
      expect((await put('new', '3', { 'If-None-Match': '*' })).status).to.equal(201)
      expect(await text('c')).to.equal('2')
    })

    it('lets exactly one of many creators win', async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => put('race', String(i), { 'If-None-Match': '*' })),
      )
      const statuses = answers.map(({ status }) => status).sort()
      expect(statuses).to.deep.equal([201, ...Array.from({ length: 19 }, () => 412)])
    })

    const digest = (algorithm: string, body: string) =>
      `:${createHash(algorithm).update(body).digest('base64')}:`

    it('verifies Content-Digest and Repr-Digest (RFC 9530)', async () => {
      const right = { 'Content-Digest': `sha-256=${digest('sha256', 'abc')}` }
      expect((await put('digest', 'abc', right)).status).to.equal(201)
      for (const name of ['Content-Digest', 'Repr-Digest']) {
        const answer = await put('digest', 'abd', { [name]: `sha-512=${digest('sha512', 'abc')}` })
        expect(outcome(answer)).to.deep.equal([400, 'EINVAL'])
        expect(answer.problem().detail).to.include(name)
      }
      expect(await text('digest')).to.equal('abc')
    })

    for (const name of ['Content-Digest', 'Repr-Digest']) {
      it(`verifies ${name} in the trailer section (RFC 9530 sections 2 and 3)`, async () => {
        await put('trailing', 'as it was')
        const send = (field: string) =>
          server.raw(
            `PUT /files/trailing HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n` +
              `Trailer: X-Other, ${name}\r\n\r\n3\r\nabc\r\n0\r\n${field}\r\n`,
          )
        const trailer = (text: string) => `${name}: sha-512=${digest('sha512', text)}\r\n`
        for (const wrong of [trailer('abd'), `${name}: nonsense\r\n`]) {
          const answer = await send(wrong)
          expect(answer).to.match(/^HTTP\/1\.1 400 [\s\S]*"code":"EINVAL"/)
          expect(answer).to.include(name)
        }
        expect(await text('trailing')).to.equal('as it was')
        expect(await send(trailer('abc'))).to.match(/^HTTP\/1\.1 200 /)
        // who stands between may drop trailer fields (RFC 9110 section 6.5.1)
        expect(await send('')).to.match(/^HTTP\/1\.1 200 /)
        expect(await text('trailing')).to.equal('abc')
      })
    }

    it('tells the digest of an upload it has verified without reading it again', async () => {
      const right = { 'Repr-Digest': `sha-512=${digest('sha512', 'known')}` }
      expect((await put('known', 'known', right)).status).to.equal(201)
      const headers = { 'Want-Repr-Digest': 'sha-512=1' }
      const head = await server.send('HEAD', '/files/known', { headers })
      expect(head.headers['repr-digest']).to.equal(right['Repr-Digest'])
    })

    const elsewhere: [target: string, status: number, code: string][] = [
      ['/files/', 400, 'EISDIR'],
      ['/files/nowhere/f', 404, 'ENOENT'],
      ['/files/a/f', 409, 'ENOTDIR'],
    ]
    for (const [target, status, code] of elsewhere) {
      it(`refuses ${target} with ${code}`, async () => {
        expect(outcome(await server.send('PUT', target, { body: 'x' }))).to.deep.equal([
          status,
          code,
        ])
      })
    }

    it('refuses a directory and a symlink', async () => {
      const headers = { 'Content-Type': 'application/json' }
      const body = JSON.stringify({ type: 'symlink', target: 'a' })
      await server.send('POST', '/files/dir')
      await server.send('POST', '/files/link', { headers, body })
      expect(outcome(await put('dir', 'x'))).to.deep.equal([400, 'EISDIR'])
      expect(outcome(await put('link', 'x'))).to.deep.equal([400, 'EINVAL'])
    })

    it('refuses a body over the limit, announced or not, and makes nothing', async () => {
      const body = Buffer.alloc(100_001)
      expect(outcome(await put('big', body))).to.deep.equal([413, 'EFBIG'])
      const answer = await put('big', body, { 'Transfer-Encoding': 'chunked' })
      expect(outcome(answer)).to.deep.equal([413, 'EFBIG'])
      expect((await server.send('HEAD', '/files/big')).status).to.equal(404)
      expect((await put('big', body.subarray(1))).status).to.equal(201)
    })

    it('refuses a content coding with 415', async () => {
      const answer = await put('coded', 'x', { 'Content-Encoding': 'gzip' })
      expect([answer.status, answer.headers['accept-encoding']]).to.deep.equal([415, 'identity'])
      expect((await put('coded', 'x', { 'Content-Encoding': 'identity' })).status).to.equal(201)
    })

    it('refuses a transfer coding that it does not undo with 501 (RFC 9112 section 6.1)', async () => {
      const answer = await put('zipped', 'x', { 'Transfer-Encoding': 'gzip, chunked' })
      expect(outcome(answer)).to.deep.equal([501, 'ENOTSUP'])
      expect((await server.send('HEAD', '/files/zipped')).status).to.equal(404)
      expect((await put('zipped', 'x', { 'Transfer-Encoding': 'chunked' })).status).to.equal(201)
    })

    it('replaces by number, whatever the name is by now', async () => {
      const { ino } = (await put('numbered', 'x')).attributes()
      await server.send('MOVE', '/files/numbered', { headers: { Destination: '/files/moved' } })
      const answer = await server.send('PUT', `/inodes/${ino}`, { body: 'by number' })
      expect([answer.status, answer.attributes().ino]).to.deep.equal([200, ino])
      expect(await text('moved')).to.equal('by number')
    })

    it('creates below a directory given by number', async () => {
      const { ino } = (await server.send('POST', '/files/numbers')).attributes()
      expect((await server.send('PUT', `/inodes/${ino}/f`, { body: 'x' })).status).to.equal(201)
      expect(await text('numbers/f')).to.equal('x')
    })

    it('gives a new file the reserved number asked for', async () => {
      const answer = await server.send('POST', '/inodes?reserve=3')
      const { first, count } = JSON.parse(answer.body.toString())
      expect([answer.status, count]).to.deep.equal([200, 3])
      const made = await put('reserved', 'x', { 'Coffer-Ino': String(first + 1) })
      expect([made.status, made.attributes().ino]).to.deep.equal([201, first + 1])
      const taken = await put('again', 'x', { 'Coffer-Ino': String(first + 1) })
      expect(outcome(taken)).to.deep.equal([409, 'EEXIST'])
      const foreign = await put('again', 'x', { 'Coffer-Ino': String(first + 1000) })
      expect(outcome(foreign)).to.deep.equal([400, 'EINVAL'])
      for (const count of ['0', '10001', 'x', '']) {
        expect((await server.send('POST', `/inodes?reserve=${count}`)).status).to.equal(400)
      }
      expect((await server.send('POST', '/inodes')).status).to.equal(400)
    })
  })
})
