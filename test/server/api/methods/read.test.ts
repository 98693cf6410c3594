import { createHash, randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { type FileServer, startFileServer } from '../file-server.js'

describe('GET and HEAD of a file', () => {
  let server: FileServer
  let etag: string
  const content = Buffer.from('0123456789')
  const mtime = '1700000000123456789'
  const modified = 'Tue, 14 Nov 2023 22:13:20 GMT'

  before(async () => {
    server = await startFileServer()
    const put = { body: content, headers: { 'Coffer-Mtime': mtime, 'Coffer-Mode': '0600' } }
    etag = String((await server.send('PUT', '/files/f', put)).headers.etag)
    await server.send('PUT', '/files/empty', { body: '' })
  })
  after(() => server.close())

  const get = (headers: Record<string, string>, target = '/files/f') =>
    server.send('GET', target, { headers })

  it('answers the bytes, what they are and when they changed', async () => {
    const { status, headers, body, attributes } = await get({})
    expect([status, body.toString()]).to.deep.equal([200, '0123456789'])
    expect(headers).to.include({
      etag,
      'content-type': 'application/octet-stream',
      'content-length': '10',
      'last-modified': modified,
      'accept-ranges': 'bytes',
      'x-file-type': 'file',
      'cache-control': 'private, no-cache',
      'x-content-type-options': 'nosniff',
    })
    expect(attributes()).to.include({ type: 'file', size: 10, mtime, mode: 0o600, etag, nlink: 1 })
    expect(attributes().modified_time).to.equal('2023-11-14T22:13:20.123Z')
  })

  it('cuts a time before 1970 off to the past', async () => {
    await server.send('PUT', '/files/old', { headers: { 'Coffer-Mtime': '-1' } })
    const { attributes } = await get({}, '/files/old')
    expect(attributes().modified_time).to.equal('1969-12-31T23:59:59.999Z')
    await server.send('DELETE', '/files/old')
  })

  const asked: [name: string, headers: Record<string, string>, target?: string][] = [
    ['plain', {}],
    ['empty', {}, '/files/empty'],
    ['unchanged', { 'If-None-Match': '*' }],
    ['changed', { 'If-Match': '"x"' }],
    ['a directory', {}, '/files'],
    ['a page', {}, '/files?limit=1'],
    ['xattrs', {}, '/files/f?xattrs'],
    ['no xattr', {}, '/files/f?xattr=user.none'],
    ['nothing', {}, '/files/none'],
    ['totals', {}, '/totals'],
    ['a download', {}, '/files/f?download'],
    ['a digest', { 'Want-Repr-Digest': 'sha-256=1' }],
  ]
  for (const [name, headers, target = '/files/f'] of asked) {
    it(`answers HEAD as GET: ${name} (RFC 9110 section 9.3.2)`, async () => {
      const one = await server.send('GET', target, { headers })
      const other = await server.send('HEAD', target, { headers })
      const { date: _, ...fields } = one.headers
      expect(other.body.length).to.equal(0)
      expect(other.status).to.equal(one.status)
      expect(other.headers).to.deep.include(fields)
    })
  }

  const ranges: [range: string, status: number, body: string, contentRange: string][] = [
    ['bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['bytes=3-5', 206, '345', 'bytes 3-5/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=0-99', 206, '0123456789', 'bytes 0-9/10'],
  ]
  for (const [range, status, body, contentRange] of ranges) {
    it(`answers ${range} with ${contentRange}`, async () => {
      const answer = await get({ Range: range })
      expect([
        answer.status,
        answer.body.toString(),
        answer.headers['content-range'],
      ]).to.deep.equal([status, body, contentRange])
      expect(answer.headers['content-length']).to.equal(String(body.length))
      expect(answer.headers.etag).to.equal(etag)
    })
  }

  for (const range of ['bytes=10-', 'bytes=5-4', 'bytes=x', 'bytes', 'bytes=', 'bytes=-0', 'b@d']) {
    it(`answers Range: ${range} with 416 and the length`, async () => {
      const answer = await get({ Range: range })
      expect([answer.status, answer.headers['content-range'], answer.problem().code]).to.deep.equal(
        [416, 'bytes */10', 'EINVAL'],
      )
    })
  }

  it('ignores a range unit it does not know, and Range with HEAD', async () => {
    expect((await get({ Range: 'lines=1-2' })).status).to.equal(200)
    const head = await server.send('HEAD', '/files/f', { headers: { Range: 'bytes=0-0' } })
    expect([head.status, head.headers['content-length']]).to.deep.equal([200, '10'])
  })

  it('answers several ranges as multipart/byteranges (RFC 9110 section 14.6)', async () => {
    const answer = await get({ Range: 'bytes=0-1, 4-4, -1' })
    expect(answer.status).to.equal(206)
    const [, boundary] = /^multipart\/byteranges; boundary=(.+)$/.exec(
      String(answer.headers['content-type']),
    ) ?? ['', '']
    const part = (range: string, text: string) =>
      `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${range}/10\r\n\r\n${text}`
    expect(answer.body.toString()).to.equal(
      `${part('0-1', '01')}${part('4-4', '4')}${part('9-9', '9')}\r\n--${boundary}--\r\n`,
    )
    expect(answer.headers['content-length']).to.equal(String(answer.body.length))
    expect(answer.headers).not.to.have.property('content-range')
  })

  it('draws a new delimiter for every answer, so that a saved answer can be read so, too', async () => {
    const saved = await get({ Range: 'bytes=0-1, 4-4' })
    await server.send('PUT', '/files/saved', { body: saved.body })
    const headers = { Range: 'bytes=0-150, 160-' }
    const answer = await server.send('GET', '/files/saved', { headers })
    const [, boundary = ''] = /boundary=(.+)$/.exec(String(answer.headers['content-type'])) ?? []
    expect(answer.body.toString().split(`--${boundary}`)).to.have.lengthOf(4)
  })

  const conditional: [headers: () => Record<string, string>, status: number][] = [
    [() => ({ 'If-None-Match': etag }), 304],
    [() => ({ 'If-None-Match': `W/${etag}` }), 304],
    [() => ({ 'If-None-Match': '*' }), 304],
    [() => ({ 'If-None-Match': '"other"' }), 200],
    [() => ({ 'If-Match': etag }), 200],
    [() => ({ 'If-Match': `W/${etag}` }), 412],
    [() => ({ 'If-Match': '"other"' }), 412],
    [() => ({ 'If-Modified-Since': modified }), 304],
    [() => ({ 'If-Modified-Since': 'Tue, 14 Nov 2023 22:13:19 GMT' }), 200],
    [() => ({ 'If-Unmodified-Since': modified }), 200],
    [() => ({ 'If-Unmodified-Since': 'Tue, 14 Nov 2023 22:13:19 GMT' }), 412],
    // a condition comes before Range (RFC 9110 section 13.2.2)
    [() => ({ 'If-None-Match': etag, Range: 'bytes=0-0' }), 304],
    [() => ({ 'If-Match': '"other"', Range: 'bytes=99-' }), 412],
    [() => ({ 'If-Range': etag, Range: 'bytes=0-0' }), 206],
    [() => ({ 'If-Range': `W/${etag}`, Range: 'bytes=0-0' }), 200],
    [() => ({ 'If-Range': '"other"', Range: 'bytes=0-0' }), 200],
    [() => ({ 'If-Range': '"other"', Range: 'bytes=99-' }), 200],
    [() => ({ 'If-Range': modified, Range: 'bytes=0-0' }), 200],
    [() => ({ 'If-None-Match': 'no quotes' }), 400],
  ]
  for (const [headers, status] of conditional) {
    it(`answers ${headers.toString().slice(6)} with ${status}`, async () => {
      const answer = await get(headers())
      expect(answer.status).to.equal(status)
      if (status === 304) {
        expect(answer.body.length).to.equal(0)
        expect(answer.headers).to.include({ etag, 'cache-control': 'private, no-cache' })
        expect(answer.headers).not.to.have.property('content-type')
      }
    })
  }

  it('names a download after the file on request (RFC 6266)', async () => {
    await server.send('PUT', '/files/%E2%82%AC%20a', { body: '' })
    const { headers } = await server.send('GET', '/files/%E2%82%AC%20a?download')
    expect(headers['content-disposition']).to.equal(
      `attachment; filename="_ a"; filename*=UTF-8''%E2%82%AC%20a`,
    )
  })

  it('tells the digest of the whole on request (RFC 9530 section 4)', async () => {
    const digest = `sha-512=:${createHash('sha512').update(content).digest('base64')}:`
    for (const range of [{}, { Range: 'bytes=0-0' }]) {
      const answer = await get({ 'Want-Repr-Digest': 'md5=9, sha-512=3, sha-256=1', ...range })
      expect(answer.headers['repr-digest']).to.equal(digest)
    }
    expect((await get({ 'Want-Repr-Digest': 'md5=9' })).headers).not.to.have.property('repr-digest')
    await server.send('PUT', '/files/digested', { body: 'one' })
    const wish = { 'Want-Repr-Digest': 'sha-256=1' }
    const one = (await get(wish, '/files/digested')).headers['repr-digest']
    await server.send('PUT', '/files/digested', { body: 'two' })
    expect((await get(wish, '/files/digested')).headers['repr-digest']).not.to.equal(one)
  })

  describe('Want-Content-Digest (RFC 9530 section 4)', () => {
    const digest = (data: string | Buffer) =>
      `sha-256=:${createHash('sha256').update(data).digest('base64')}:`
    const wish = { 'Want-Content-Digest': 'sha-256=5, sha-512=1' }
    const large = randomBytes(2_000_001)
    before(() => server.send('PUT', '/files/digests', { body: large }))

    type Row = [what: string, headers: object, contained: (body: Buffer) => Buffer]
    const rows: Row[] = [
      ['the whole', {}, () => large],
      ['a small part', { Range: 'bytes=1-9' }, () => large.subarray(1, 10)],
      ['a large part', { Range: 'bytes=5-1500000' }, () => large.subarray(5, 1_500_001)],
      ['several parts, as they are sent', { Range: 'bytes=0-9,400000-999999' }, (body) => body],
    ]
    for (const [what, headers, contained] of rows) {
      it(`is of ${what}`, async () => {
        const answer = await get({ ...wish, ...headers }, '/files/digests')
        expect(answer.headers['content-digest']).to.equal(digest(contained(answer.body)))
        expect(answer.body.length).to.equal(Number(answer.headers['content-length']))
      })

      it(`comes after ${what} where the client takes trailers`, async () => {
        const all = { ...wish, ...headers, TE: 'gzip;q=0.1, trailers' }
        const answer = await get(all, '/files/digests')
        expect(answer.headers).to.include({ trailer: 'Content-Digest' })
        expect(answer.headers).to.not.have.any.keys('content-digest', 'content-length')
        expect(answer.trailers['content-digest']).to.equal(digest(contained(answer.body)))
      })
    }

    it('is that of nothing in an answer to HEAD, unlike Repr-Digest (appendix B.2)', async () => {
      const headers = { ...wish, 'Want-Repr-Digest': 'sha-256=1' }
      const answer = await server.send('HEAD', '/files/digests', { headers })
      expect(answer.headers).to.include({
        'content-digest': digest(''),
        'repr-digest': digest(large),
        'content-length': String(large.length),
      })
    })

    it('goes with 206 as that of the part, Repr-Digest as that of the whole', async () => {
      const headers = { ...wish, 'Want-Repr-Digest': 'sha-256=1', Range: 'bytes=0-0' }
      const answer = await get(headers, '/files/digests')
      expect(answer.status).to.equal(206)
      expect(answer.headers['content-digest']).to.equal(digest(large.subarray(0, 1)))
      expect(answer.headers['repr-digest']).to.equal(digest(large))
    })

    it('is not sent unasked, nor for algorithms that are not known or not wanted', async () => {
      for (const wanted of [undefined, 'md5=1', 'sha-256=0']) {
        const headers = wanted === undefined ? {} : { 'Want-Content-Digest': wanted }
        const answer = await get(headers, '/files/digests')
        expect(answer.headers).to.not.have.any.keys('content-digest', 'repr-digest', 'trailer')
      }
    })
  })

  it('never says it was modified after the answer (RFC 9110 section 8.8.2.1)', async () => {
    const headers = { 'Coffer-Mtime': '9000000000000000000' }
    await server.send('PUT', '/files/future', { body: 'x', headers })
    const answer = await server.send('GET', '/files/future')
    expect(Date.parse(String(answer.headers['last-modified']))).to.be.at.most(
      Date.parse(String(answer.headers.date)),
    )
    expect(answer.attributes().mtime).to.equal('9000000000000000000')
  })

  it('reads by number as by name', async () => {
    const { ino } = (await get({})).attributes()
    const answer = await get({ Range: 'bytes=1-2' }, `/inodes/${ino}`)
    expect([answer.status, answer.body.toString()]).to.deep.equal([206, '12'])
  })

  it('is exact beyond 4 GiB', async () => {
    await server.send('POST', '/files/huge', {
      headers: { 'Content-Type': 'application/json' },
      body: '{ "type": "file" }',
    })
    const patch = (type: string, body: string, more = {}) =>
      server.send('PATCH', '/files/huge', { headers: { 'Content-Type': type, ...more }, body })
    const size = 5 * 2 ** 30 + 3
    expect((await patch('application/json', `{ "size": ${size} }`)).status).to.equal(200)
    const bytes = { 'Content-Range': 'bytes 4294967294-4294967297/*' }
    expect((await patch('application/octet-stream', 'abcd', bytes)).status).to.equal(204)
    const end = { 'Content-Type': 'application/octet-stream' }
    await server.send('PATCH', '/files/huge?append', { headers: end, body: 'end' })
    const head = await server.send('HEAD', '/files/huge')
    expect(head.headers['content-length']).to.equal('5368709126')
    expect(head.attributes().size).to.equal(5368709126)
    const part = async (range: string) => {
      const { status, headers, body } = await get({ Range: range }, '/files/huge')
      return [status, headers['content-range'], body.toString()]
    }
    expect(await part('bytes=4294967293-4294967298')).to.deep.equal([
      206,
      'bytes 4294967293-4294967298/5368709126',
      '\0abcd\0',
    ])
    expect(await part('bytes=-4')).to.deep.equal([
      206,
      'bytes 5368709122-5368709125/5368709126',
      '\0end',
    ])
    const both = await get({ Range: 'bytes=4294967294-4294967295, -3' }, '/files/huge')
    expect(both.body.toString()).to.match(/4294967295\/5368709126\r\n\r\nab\r\n[\s\S]*\nend\r\n/)
    await server.send('DELETE', '/files/huge')
  })

  it('streams what is too large for one piece', async () => {
    const large = randomBytes(3_000_001)
    await server.send('PUT', '/files/large', { body: large })
    const whole = await server.send('GET', '/files/large')
    expect(whole.body.equals(large)).to.equal(true)
    const part = await get({ Range: 'bytes=1000000-2500000' }, '/files/large')
    expect(part.body.equals(large.subarray(1_000_000, 2_500_001))).to.equal(true)
    const parts = await get({ Range: 'bytes=0-999999,1500000-2500000' }, '/files/large')
    expect(parts.body.length).to.equal(Number(parts.headers['content-length']))
    expect(parts.body.indexOf(large.subarray(1_500_000, 2_500_001))).to.be.above(1_000_000)
  })
})
