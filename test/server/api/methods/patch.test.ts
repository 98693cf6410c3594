import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { type Answer, type FileServer, type Options, startFileServer } from '../file-server.js'

const NOW = '1700000000000000000'
const RANGES = 'application/vnd.coffer.ranges'

describe('PATCH', () => {
  let server: FileServer
  before(async () => {
    server = await startFileServer({ limits: { uploadBytes: 100_000, jsonBytes: 1000 } })
  })
  after(() => server.close())

  const put = (name: string, body: string | Buffer, headers = {}) =>
    server.send('PUT', `/files/${name}`, { body, headers })
  const text = async (name: string) => (await server.send('GET', `/files/${name}`)).body.toString()
  const outcome = (answer: Answer) => [answer.status, answer.problem().code]

  describe('PATCH of bytes', () => {
    const patch = (name: string, body: string | Buffer, headers = {}, query = '') =>
      server.send('PATCH', `/files/${name}${query}`, {
        body,
        headers: { 'Content-Type': 'application/octet-stream', ...headers },
      })

    it('writes in place, beyond the end, and at the end', async () => {
      const before = (await put('p', '0123456789')).attributes()
      const answer = await patch('p', 'ab', { 'Content-Range': 'bytes 3-4/*' })
      expect(answer.status).to.equal(204)
      expect(answer.attributes()).to.include({ ino: before.ino, size: 10 })
      expect(answer.attributes().version).to.be.above(before.version)
      expect(await text('p')).to.equal('012ab56789')
      await patch('p', 'end', {}, '?append')
      expect(await text('p')).to.equal('012ab56789end')
      await patch('p', 'x', { 'Content-Range': 'bytes 15-15/*' })
      expect(await text('p')).to.equal('012ab56789end\0\0x')
    })

    for (const name of ['Content-Digest', 'Repr-Digest']) {
      it(`writes nothing if ${name} is not that of the body (RFC 9530 sections 2 and 3.1)`, async () => {
        await put('digest', '0123456789')
        const digest = createHash('sha256').update('abc').digest('base64')
        const headers = { 'Content-Range': 'bytes 3-5/*', [name]: `sha-256=:${digest}:` }
        const wrong = await patch('digest', 'abd', headers)
        expect(outcome(wrong)).to.deep.equal([400, 'EINVAL'])
        expect(wrong.problem().detail).to.include(name)
        expect(await text('digest')).to.equal('0123456789')
        expect((await patch('digest', 'abc', headers)).status).to.equal(204)
        expect(await text('digest')).to.equal('012abc6789')
      })
    }

    it('writes many pieces as one version', async () => {
      const before = (await put('pieces', '0123456789')).attributes()
      const body = Buffer.concat([
        piece(8n, 'yz'),
        piece(0n, 'ab'),
        piece(END, '!'),
        piece(END, '?'),
      ])
      const answer = await patch('pieces', body, { 'Content-Type': RANGES })
      expect([answer.status, answer.attributes().version]).to.deep.equal([204, before.version + 1])
      expect(await text('pieces')).to.equal('ab234567yz!?')
    })

    it('leaves mode and owner as somebody has set them since they were seen', async () => {
      await put('seen', '0123', {})
      const late = { 'Content-Range': 'bytes 0-0/*', 'Coffer-Mode': '0600' }
      const set = async (permissions: string) =>
        (await patch('seen', 'a', { ...late, 'Coffer-Permissions': permissions })).attributes()
      expect(await set('0')).to.include({ mode: 0o600, permissions: 1 })
      await patch('seen', 'a', { ...late, 'Coffer-Mode': '0644' })
      expect(await set('1')).to.include({ mode: 0o644, permissions: 2 })
    })

    it('changes attributes after the bytes, in the same step', async () => {
      await put('both', '0123456789')
      const answer = await patch('both', 'ab', {
        'Content-Range': 'bytes 0-1/*',
        'Coffer-Size': '4',
        'Coffer-Mode': '0600',
        'Coffer-Mtime': NOW,
      })
      expect(answer.attributes()).to.include({ size: 4, mode: 0o600, mtime: NOW })
      expect(await text('both')).to.equal('ab23')
    })

    it('holds If-Match', async () => {
      const { etag = '' } = (await put('held', '0123')).headers
      const range = { 'Content-Range': 'bytes 0-0/*' }
      expect((await patch('held', 'a', { ...range, 'If-Match': etag })).status).to.equal(204)
      const stale = await patch('held', 'b', { ...range, 'If-Match': etag })
      expect(outcome(stale)).to.deep.equal([412, 'ESTALE'])
      expect(await text('held')).to.equal('a123')
    })

    type Refusal = [
      what: string,
      body: string | Buffer,
      headers: object,
      query: string,
      status: number,
    ]
    const refused: Refusal[] = [
      ['no Content-Range', 'x', {}, '', 400],
      ['a broken Content-Range', 'x', { 'Content-Range': 'bytes 0' }, '', 400],
      ['an inverted Content-Range', 'x', { 'Content-Range': 'bytes 1-0/*' }, '', 400],
      ['a longer Content-Range', 'x', { 'Content-Range': 'bytes 0-1/*' }, '', 400],
      ['a shorter Content-Range', 'xyz', { 'Content-Range': 'bytes 0-1/*' }, '', 400],
      ['a range and ?append', 'x', { 'Content-Range': 'bytes 0-0/*' }, '?append', 400],
      [
        'an offset beyond 2^53',
        'x',
        { 'Content-Range': `bytes ${2n ** 53n}-${2n ** 53n}/*` },
        '',
        413,
      ],
      ['a piece cut off', piece(0n, 'ab').subarray(0, 13), { 'Content-Type': RANGES }, '', 400],
      ['a header cut off', piece(0n, 'ab').subarray(0, 5), { 'Content-Type': RANGES }, '', 400],
      ['?append with pieces', piece(0n, 'ab'), { 'Content-Type': RANGES }, '?append', 400],
      ['an unknown type', 'x', { 'Content-Type': 'text/plain' }, '', 415],
      ['no type', 'x', { 'Content-Type': '' }, '', 415],
      ['too much', Buffer.alloc(100_001), {}, '?append', 413],
      ['bad Coffer-Permissions', 'x', { 'Coffer-Permissions': '-1' }, '?append', 400],
      ['a bad Coffer-Size', 'x', { 'Coffer-Size': '-1' }, '?append', 400],
      ['a Coffer-Size beyond 2^53', 'x', { 'Coffer-Size': '9007199254740992' }, '?append', 413],
    ]
    for (const [what, body, headers, query, status] of refused) {
      it(`refuses ${what} with ${status} and changes nothing`, async () => {
        const before = (await put('whole', '0123456789')).attributes()
        const answer = await patch('whole', body, headers, query)
        expect(answer.status).to.equal(status)
        if (status === 415) expect(answer.headers['accept-patch']).to.include(RANGES)
        expect(await text('whole')).to.equal('0123456789')
        expect((await server.send('HEAD', '/files/whole')).attributes()).to.deep.equal(before)
      })
    }

    it('refuses a chunked body unlike its Content-Range and writes nothing', async () => {
      await put('chunked', '0123456789')
      for (const range of ['bytes 0-0/*', 'bytes 0-5/*']) {
        const headers = { 'Content-Range': range, 'Transfer-Encoding': 'chunked' }
        expect(outcome(await patch('chunked', 'abc', headers))).to.deep.equal([400, 'EINVAL'])
      }
      expect(await text('chunked')).to.equal('0123456789')
    })

    it('refuses what has no content', async () => {
      await server.send('POST', '/files/pd')
      expect(outcome(await patch('pd', 'x', {}, '?append'))).to.deep.equal([400, 'EISDIR'])
      expect(outcome(await patch('none', 'x', {}, '?append'))).to.deep.equal([404, 'ENOENT'])
    })
  })

  describe('PATCH of attributes', () => {
    const patch = (name: string, changes: unknown, options: Options = {}) =>
      server.send('PATCH', `/files/${name}`, {
        body: typeof changes === 'string' ? changes : JSON.stringify(changes),
        headers: { 'Content-Type': 'application/json; charset=utf-8', ...options.headers },
      })

    it('changes what is named and leaves the rest', async () => {
      const before = (await put('at', '0123456789')).attributes()
      const changes = { mode: 0o600, uid: 5, gid: 6, atime: '-5', mtime: NOW }
      const answer = await patch('at', changes)
      expect(answer.status).to.equal(200)
      expect(answer.attributes()).to.include({
        ...changes,
        ino: before.ino,
        version: before.version,
      })
      expect((await patch('at', {})).attributes()).to.include(changes)
    })

    it('leaves mode and owner as somebody has set them since they were seen', async () => {
      expect((await put('late', 'x')).attributes().permissions).to.equal(undefined)
      expect((await patch('late', { mode: 0o600 })).attributes().permissions).to.equal(1)
      const late = await patch('late', { mode: 0o666, permissions: 0, mtime: NOW })
      expect(late.attributes()).to.include({ mode: 0o600, permissions: 1, mtime: NOW })
      const seen = await patch('late', { mode: 0o640, permissions: 1 })
      expect(seen.attributes()).to.include({ mode: 0o640, permissions: 2 })
    })

    it('knows "now"', async () => {
      await put('now', 'x', { 'Coffer-Mtime': NOW })
      const began = BigInt(Date.now() - 1000) * 1_000_000n
      const { mtime, atime } = (await patch('now', { mtime: 'now' })).attributes()
      expect(BigInt(mtime) > began).to.equal(true)
      expect(BigInt(atime) > 0n).to.equal(true)
    })

    it('cuts and extends', async () => {
      await put('size', '0123456789')
      expect((await patch('size', { size: 4 })).attributes().size).to.equal(4)
      await patch('size', { size: 6 })
      expect(await text('size')).to.equal('0123\0\0')
      await server.send('POST', '/files/sd')
      expect(outcome(await patch('sd', { size: 0 }))).to.deep.equal([400, 'EISDIR'])
    })

    it('holds If-Match', async () => {
      const { etag = '' } = (await put('held', 'x')).headers
      expect((await patch('held', { size: 0 }, { headers: { 'If-Match': etag } })).status).to.equal(
        200,
      )
      const stale = await patch('held', { size: 9 }, { headers: { 'If-Match': etag } })
      expect(outcome(stale)).to.deep.equal([412, 'ESTALE'])
    })

    const refused: [changes: unknown, status: number][] = [
      ['', 400],
      ['{', 400],
      ['null', 400],
      ['[]', 400],
      ['"mode"', 400],
      ['\xff\xfe', 400],
      [{ mode: 0o10000 }, 400],
      [{ mode: -1 }, 400],
      [{ mode: '0644' }, 400],
      [{ mode: 1.5 }, 400],
      [{ uid: 4294967295 }, 400],
      [{ size: -1 }, 400],
      [{ size: 1e300 }, 400],
      [{ mtime: 5 }, 400],
      [{ mtime: 'then' }, 400],
      [{ mtime: '9223372036854775808' }, 400],
      [{ owner: 'me' }, 400],
      [{ ino: 5 }, 400],
      [`{"mode":1${' '.repeat(1000)}}`, 413],
    ]
    for (const [changes, status] of refused) {
      it(`refuses ${JSON.stringify(changes).slice(0, 40)} with ${status}`, async () => {
        await put('refusing', 'x')
        const body = typeof changes === 'string' ? Buffer.from(changes, 'latin1') : changes
        const answer = Buffer.isBuffer(body)
          ? await server.send('PATCH', '/files/refusing', {
              body,
              headers: { 'Content-Type': 'application/json' },
            })
          : await patch('refusing', body)
        expect(answer.status).to.equal(status)
        expect(answer.problem().detail).to.be.a('string').and.not.equal('')
      })
    }

    const told: [changes: object, detail: RegExp][] = [
      [{ mtime: '9223372036854775808' }, /^"mtime" .*must be .*nanoseconds .*9223372036854775807/],
      [{ mtime: 'then' }, /^"mtime" .*must be .*nanoseconds since the epoch/],
      [{ mtime: 5 }, /^"mtime" must be "now" or .* as a string/],
      [{ owner: 'me' }, /^the JSON must not have "owner"; it may have "mode" or "uid"/],
      [{ mode: '0644' }, /^"mode" must be a number/],
      [{ mode: 1.5 }, /^"mode" must be a whole number/],
      [{ mode: -1 }, /^"mode" must be at least 0/],
      [{ mode: 4096 }, /^"mode" must be at most 4095/],
      [{ size: 2 ** 53 }, /^"size" must be at most 9007199254740991$/],
    ]
    for (const [changes, detail] of told) {
      it(`says what ${JSON.stringify(changes)} must be`, async () => {
        await put('refusing', 'x')
        expect((await patch('refusing', changes)).problem().detail).to.match(detail)
      })
    }

    it('says which types there are to a POST of another', async () => {
      const body = Buffer.from('{"type":"folder"}')
      const headers = { 'Content-Type': 'application/json' }
      const answer = await server.send('POST', '/files/folder', { body, headers })
      expect(answer.problem().detail).to.match(/^"type" must be "directory" or "file"/)
    })

    it('says which times there are to a header field with another', async () => {
      const headers = { 'Coffer-Mtime': '9223372036854775808' }
      const answer = await server.send('PUT', '/files/late', { body: 'x', headers })
      expect(answer.status).to.equal(400)
      expect(answer.problem().detail).to.match(/must be nanoseconds .*9223372036854775807/)
    })
  })
})

const END = 0xffff_ffff_ffff_ffffn

function piece(offset: bigint, data: string): Buffer {
  const header = Buffer.alloc(12)
  header.writeBigUInt64BE(offset, 0)
  header.writeUInt32BE(data.length, 8)
  return Buffer.concat([header, Buffer.from(data)])
}
