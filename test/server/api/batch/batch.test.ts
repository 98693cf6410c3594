import { once } from 'node:events'
import http from 'node:http'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame, FrameReader } from '../../../../server/wire/frames.js'
import type { WireResult } from '../../../../server/wire/operations.js'
import { type Answer, type FileServer, type Options, startFileServer } from '../file-server.js'
import { encode, results as framesOf, openChannel, type Request, type Result } from '../frames.js'

/** The same over both: what an operation does is no matter of how it comes. */
for (const transport of ['POST /batch', 'GET /batch with Upgrade'] as const) {
  describe(`operations by ${transport}`, () => operations(transport))
}

function operations(transport: 'POST /batch' | 'GET /batch with Upgrade'): void {
  let server: FileServer
  let root: number
  let ino: number
  before(async () => {
    server = await startFileServer({ limits: { uploadBytes: 1_000_000 } })
    root = (await server.send('HEAD', '/files')).attributes().ino
    ino = (await server.send('PUT', '/files/f', { body: '0123456789' })).attributes().ino
  })
  after(() => server.close())

  const send = (body: Buffer, options: Options = {}) =>
    server.send('POST', '/batch', {
      body,
      ...options,
      headers: { 'Content-Type': BATCH_TYPE, ...options.headers },
    })

  const results = ({ body }: Answer) => framesOf(Readable.from([body]))
  const batch = async (...requests: Request[]): Promise<Result[]> => {
    if (transport === 'POST /batch') return results(await send(encode(requests)))
    const { socket } = await openChannel(server)
    socket.end(encode(requests))
    return framesOf(socket)
  }
  const one = async (operation: object, content?: string) =>
    (await batch(content === undefined ? [operation] : [operation, content]))[0] ?? {}
  const attributes = (result: Result | undefined) => result?.attributes as Record<string, unknown>

  it('does operations in order, one answer each', async () => {
    const place = (name: string) => ({ directory: root, name })
    const [made, put, taken, written, read, renamed, removed, gone] = await batch(
      [
        {
          op: 'make',
          place: place('dir'),
          what: { type: 'directory' },
          attributes: { mode: 0o700 },
        },
      ],
      [
        {
          op: 'put',
          place: place('new'),
          mode: 'create',
          attributes: { mode: 0o600, mtime: '5', atime: '-5', uid: 7 },
        },
        'content',
      ],
      [{ op: 'put', place: place('new'), mode: 'create' }, 'other'],
      [{ op: 'write', ino, offset: 8, changes: { mode: 0o600 } }, 'xyz'],
      [{ op: 'read', ino, offset: 7, bytes: 3 }],
      [{ op: 'rename', from: place('new'), to: place('renamed'), mode: 'noreplace' }],
      [{ op: 'remove', place: place('renamed'), kind: 'unlink' }],
      [{ op: 'lookup', directory: root, name: 'renamed' }],
    )
    expect(attributes(made)).to.include({ type: 'directory', mode: 0o700 })
    expect(attributes(put)).to.include({ size: 7, mode: 0o600, mtime: '5', atime: '-5', uid: 7 })
    expect(taken).to.include({ outcome: 'failed', code: 'EEXIST' })
    expect(attributes(written)).to.include({ ino, size: 11, mode: 0o600 })
    expect(read).to.include({ outcome: 'done', content: '7xy' })
    expect(attributes(read)).to.include({ ino, size: 11 })
    expect(attributes(renamed)).to.include({ ino: attributes(put).ino })
    expect(removed?.outcome).to.equal('done')
    expect(gone).to.include({ outcome: 'failed', code: 'ENOENT' })
  })

  it('writes several ranges in one step, all of them or none', async () => {
    const piece = (offset: number, bytes: string) =>
      `${'\0'.repeat(7)}${String.fromCharCode(offset)}\0\0\0${String.fromCharCode(bytes.length)}${bytes}`
    const made = await one(
      { op: 'put', place: { directory: root, name: 'ranges' }, mode: 'create' },
      '0123456789',
    )
    const file = attributes(made).ino
    const [written, changed, cut, read] = await batch(
      [{ op: 'writeRanges', ino: file }, piece(1, 'ab') + piece(12, 'c')],
      [{ op: 'writeRanges', ino: file, ifMatch: attributes(made).etag }, piece(0, '!')],
      [{ op: 'writeRanges', ino: file }, piece(0, '!') + piece(5, '??').slice(0, -1)],
      [{ op: 'read', ino: file }],
    )
    expect(attributes(written)).to.include({ size: 13 })
    expect(changed).to.include({ outcome: 'failed', status: 412 })
    expect(cut).to.include({ outcome: 'failed', code: 'EINVAL' })
    expect(read).to.include({ content: '0ab3456789\0\0c' })
  })

  it('removes many in one operation, and says of each what became of it', async () => {
    const place = { directory: root, name: 'removed' }
    await one({ op: 'put', place, mode: 'create' }, 'x')
    const removals = [
      { place, kind: 'unlink' },
      { place, kind: 'either' },
    ]
    const { outcome, removed } = await one({ op: 'removeAll', removals })
    const [first, second] = removed as Record<string, unknown>[]
    expect(outcome).to.equal('done')
    expect(first?.attributes).to.include({ type: 'file', nlink: 0 })
    expect(second).to.deep.equal({ code: 'ENOENT', detail: 'there is no "removed"' })
    const many = Array.from({ length: 257 }, () => ({ place, kind: 'unlink' }))
    expect(await one({ op: 'removeAll', removals: many })).to.include({ code: 'EINVAL' })
  })

  it('counts what a put replaces against the quota', async () => {
    const { bytes } = await server.storage.quota('alice')
    await server.storage.setQuota('alice', { maxBytes: bytes + 100, maxInodes: null })
    const place = { directory: root, name: 'counted' }
    const put = (length: number): Request => [
      { op: 'put', place, mode: 'replace' },
      'x'.repeat(length),
    ]
    const [first, again, more] = await results(await send(encode([put(80), put(90), put(101)])))
    expect([first?.outcome, again?.outcome, more?.code]).to.deep.equal(['done', 'done', 'EDQUOT'])
    await server.send('DELETE', '/files/counted')
    await server.storage.setQuota('alice', { maxBytes: null, maxInodes: null })
  })

  it('holds ifMatch as HTTP holds If-Match, in the same step as the change', async () => {
    const place = (name: string) => ({ directory: root, name })
    const { ino, etag } = (await server.send('PUT', '/files/c', { body: 'c' })).attributes()
    const changed = { outcome: 'failed', code: 'ESTALE', status: 412 }
    const all = (ifMatch: string): Request[] => [
      [{ op: 'setAttributes', ino, changes: { mode: 0o600 }, ifMatch }],
      [{ op: 'rename', from: place('c'), to: place('d'), mode: 'replace', ifMatch }],
      [{ op: 'rename', from: place('d'), to: place('c'), mode: 'replace', ifMatch }],
      [{ op: 'put', place: place('c'), mode: 'replace', ifMatch }, 'again'],
    ]
    for (const result of await batch(...all('"0-0"'))) {
      if (result.code !== 'ENOENT') expect(result).to.include(changed)
    }
    const outcomes = (await batch(...all(`"0-0", ${etag}`))).map(({ outcome }) => outcome)
    expect(outcomes).to.deep.equal(['done', 'done', 'done', 'done'])
    const later = await batch(
      [{ op: 'write', ino, offset: 0, ifMatch: etag }, 'x'],
      [{ op: 'remove', place: place('c'), kind: 'unlink', ifMatch: etag }],
      [{ op: 'put', place: place('none'), mode: 'replace', ifMatch: '*' }, 'new'],
    )
    for (const result of later) expect(result).to.include(changed)
    const body = async (target: string) => (await server.send('GET', target)).body.toString()
    expect(await body('/files/c')).to.equal('again')
    const nonsense = await one({ op: 'write', ino, offset: 0, ifMatch: 'x' }, 'x')
    expect(nonsense).to.include({ outcome: 'failed', code: 'EINVAL' })
    const [raced, lost] = await batch(
      [{ op: 'write', ino, offset: 0, ifMatch: '*' }, 'first'],
      [{ op: 'write', ino, offset: 0, ifMatch: etag }, 'wrong'],
    )
    expect([raced?.outcome, lost?.outcome]).to.deep.equal(['done', 'failed'])
    expect(await body('/files/c')).to.equal('first')
  })

  it('says what an operation must not have, and what it may have if there is anything', async () => {
    const { detail } = await one({ op: 'root', ino })
    expect(detail).to.equal('the JSON must not have "ino"')
    const other = await one({ op: 'stat', ino, size: 1 })
    expect(other.detail).to.equal('the JSON must not have "size"; it may have "ino" or "names"')
  })

  it('renames a file onto itself without any change (rename(2))', async () => {
    const place = (name: string) => ({ directory: root, name })
    const [, ...answers] = await batch(
      [{ op: 'link', ino, place: place('same') }],
      [{ op: 'stat', ino }],
      [{ op: 'rename', from: place('f'), to: place('f'), mode: 'replace' }],
      [{ op: 'rename', from: place('f'), to: place('same'), mode: 'replace' }],
      [{ op: 'lookup', directory: root, name: 'f' }],
    )
    const [before, ...after] = answers.map(attributes)
    expect(after).to.deep.equal([before, before, before])
    await batch([{ op: 'remove', place: place('same'), kind: 'unlink' }])
  })

  it('looks at many paths', async () => {
    await server.send('POST', '/files/deep')
    await server.send('PUT', '/files/deep/g', { body: 'g' })
    const found = await batch(
      [{ op: 'root' }],
      [{ op: 'stat', ino: root, names: ['deep', 'g'] }],
      [{ op: 'stat', ino: root }],
      [{ op: 'stat', ino: root, names: ['deep', 'none'] }],
      [{ op: 'stat', ino: root, names: ['deep', '..'] }],
    )
    expect(found.map((result) => attributes(result)?.type ?? result.code)).to.deep.equal([
      'directory',
      'file',
      'directory',
      'ENOENT',
      'EINVAL',
    ])
  })

  it('lists fewer than asked for where that would be too long for one answer', async () => {
    const [made] = await batch([
      { op: 'make', place: { directory: root, name: 'links' }, what: { type: 'directory' } },
    ])
    const directory = attributes(made).ino
    const what = { type: 'symlink', target: '\x01'.repeat(4095) }
    const names = Array.from({ length: 400 }, (_, index) => String(1000 + index))
    for (let at = 0; at < names.length; at += 30) {
      const some = names.slice(at, at + 30)
      await batch(
        ...some.map((name): Request => [{ op: 'make', place: { directory, name }, what }]),
      )
    }
    const listed: string[] = []
    for (let more: unknown = true; more; ) {
      const after = listed.at(-1)
      const page = await one({ op: 'list', directory, ...(after && { after }) })
      more = page.more
      const entries = page.entries as { name: string }[]
      expect(JSON.stringify(page).length).to.be.below(8 * 1024 * 1024)
      listed.push(...entries.map(({ name }) => name))
    }
    expect(listed).to.deep.equal(names)
  })

  it('lists in pages', async () => {
    await server.send('POST', '/files/list')
    for (const name of ['a', 'b', 'c']) await server.send('PUT', `/files/list/${name}`)
    const { ino: directory } = (await server.send('HEAD', '/files/list')).attributes()
    const first = await one({ op: 'list', directory, limit: 2 })
    const rest = await one({ op: 'list', directory, after: 'b', limit: 2 })
    const names = (result: Result) => (result.entries as { name: string }[]).map(({ name }) => name)
    expect([names(first), first.more, names(rest), rest.more]).to.deep.equal([
      ['a', 'b'],
      true,
      ['c'],
      false,
    ])
  })

  it('handles xattrs, links, attributes and release', async () => {
    const [set, get, list, removed, none, link, changed, appended, kept, read, released, gone] =
      await batch(
        [{ op: 'setXattr', ino, name: 'user.a', mode: 'create' }, 'value'],
        [{ op: 'getXattr', ino, name: 'user.a' }],
        [{ op: 'listXattrs', ino }],
        [{ op: 'removeXattr', ino, name: 'user.a' }],
        [{ op: 'getXattr', ino, name: 'user.a' }],
        [{ op: 'link', ino, place: { directory: root, name: 'hard' } }],
        [{ op: 'setAttributes', ino, changes: { size: 3, mtime: '9' } }],
        [{ op: 'write', ino, offset: 'append' }, '!'],
        [{ op: 'remove', place: { directory: root, name: 'hard' }, kind: 'either', keep: true }],
        [{ op: 'read', ino }],
        [{ op: 'release', ino: 999_999_999 }],
        [{ op: 'stat', ino: 999_999_999 }],
      )
    expect(set?.outcome).to.equal('done')
    expect(get).to.include({ outcome: 'done', content: 'value' })
    expect(list?.names).to.deep.equal(['user.a'])
    expect(removed?.outcome).to.equal('done')
    expect(none).to.include({ outcome: 'failed', code: 'ENODATA' })
    expect(attributes(link)).to.include({ ino, nlink: 2 })
    expect(attributes(changed)).to.include({ size: 3, mtime: '9' })
    expect(attributes(appended)).to.include({ size: 4 })
    expect(attributes(kept)).to.include({ ino, nlink: 1 })
    expect(String(read?.content)).to.match(/!$/)
    expect(released).to.include({ outcome: 'failed', code: 'ENOENT' })
    expect(gone).to.include({ outcome: 'failed', code: 'ENOENT' })
  })

  it('reads whole files in one go, as many as fit, and says which it cannot', async () => {
    const inos: number[] = []
    for (const name of ['one', 'two', 'none', 'three']) {
      const body = name === 'none' ? '' : `content of ${name}`
      inos.push((await server.send('PUT', `/files/all-${name}`, { body })).attributes().ino)
    }
    const [one = 0, two = 0, none = 0, three = 0] = inos
    const [whole, some, nothing] = await batch(
      [{ op: 'readAll', inos: [one, 999_999_999, root, two, none, three] }],
      [{ op: 'readAll', inos: [one, two, three], bytes: 30 }],
      [{ op: 'readAll', inos: [one], bytes: 5 }],
    )
    expect(whole).to.include({ content: 'content of onecontent of twocontent of three' })
    expect(whole?.contents).to.have.lengthOf(6)
    const told = whole?.contents as { code?: string; bytes?: number; attributes?: object }[]
    expect(told.map(({ code, bytes }) => code ?? bytes)).to.deep.equal([
      14,
      'ENOENT',
      'EISDIR',
      14,
      0,
      16,
    ])
    expect(told[3]?.attributes).to.include({ ino: two, size: 14 })
    expect(some).to.include({ content: 'content of onecontent of two' })
    expect(some?.contents).to.have.lengthOf(2)
    expect(nothing?.contents).to.deep.equal([])
  })

  it('stops after an error only where that was asked for', async () => {
    const lookup = (name: string, more = {}) => [{ op: 'lookup', directory: root, name, ...more }]
    const outcomes = (await batch(
      lookup('none') as Request,
      lookup('f', { stopOnError: true }) as Request,
      lookup('none', { stopOnError: true }) as Request,
      lookup('f') as Request,
      [{ op: 'put', place: { directory: root, name: 'skipped' }, mode: 'create' }, 'content'],
    )) as WireResult[]
    expect(outcomes.map(({ outcome }) => outcome)).to.deep.equal([
      'failed',
      'done',
      'failed',
      'skipped',
      'skipped',
    ])
    expect((await server.send('HEAD', '/files/skipped')).status).to.equal(404)
  })

  const refused: [operation: object, code: string][] = [
    [{}, 'EINVAL'],
    [{ op: 'format' }, 'EINVAL'],
    [{ op: 'constructor' }, 'EINVAL'],
    [{ op: 5 }, 'EINVAL'],
    [{ op: 'stat' }, 'EINVAL'],
    [{ op: 'stat', ino: '1' }, 'EINVAL'],
    [{ op: 'stat', ino: -1 }, 'EINVAL'],
    [{ op: 'stat', ino: 1, extra: true }, 'EINVAL'],
    [{ op: 'lookup', directory: 1, name: 'a/b' }, 'EINVAL'],
    [{ op: 'lookup', directory: 1, name: 'a\0' }, 'EINVAL'],
    [{ op: 'lookup', directory: 1, name: 'a'.repeat(256) }, 'ENAMETOOLONG'],
    [{ op: 'lookup', directory: 1, name: '\ud800' }, 'EILSEQ'],
    [{ op: 'read', ino: 1, offset: -1 }, 'EINVAL'],
    [{ op: 'read', ino: 1, bytes: 4194305 }, 'EINVAL'],
    [{ op: 'readAll', inos: [] }, 'EINVAL'],
    [{ op: 'readAll', inos: Array.from({ length: 257 }, () => 1) }, 'EINVAL'],
    [{ op: 'list', directory: 1, limit: 10_001 }, 'EINVAL'],
    [{ op: 'rename', from: {}, to: {}, mode: 'replace' }, 'EINVAL'],
  ]
  for (const [operation, code] of refused) {
    it(`refuses ${JSON.stringify(operation).slice(0, 50)} with ${code}`, async () => {
      expect(await one(operation)).to.include({ outcome: 'failed', code })
    })
  }

  it('creates many small files in one go', async () => {
    const requests = Array.from({ length: 500 }, (_, i): Request => {
      const place = { directory: root, name: `many-${i}` }
      return [{ op: 'put', place, mode: 'create', attributes: { mtime: String(i) } }, `file ${i}`]
    })
    const made = await batch(...requests)
    expect(made.every(({ outcome }) => outcome === 'done')).to.equal(true)
    const read = await batch(
      ...made.map((result): Request => [{ op: 'read', ino: attributes(result).ino }]),
    )
    expect(read.map(({ content }) => content)).to.deep.equal(requests.map(([, content]) => content))
  })

  // The rest is about requests; what corresponds to it in a channel has a suite of its own.
  if (transport !== 'POST /batch') return

  it('answers nothing to nothing', async () => {
    const answer = await send(Buffer.alloc(0))
    expect([answer.status, answer.headers['content-type'], answer.body.length]).to.deep.equal([
      200,
      BATCH_TYPE,
      0,
    ])
  })

  it('needs file.write for what changes something', async () => {
    const place = { directory: root, name: 'unwritten' }
    const body = encode([
      [{ op: 'root' }],
      [{ op: 'put', place, mode: 'create' }, 'content'],
      [{ op: 'release', ino }],
    ])
    const answers = await results(await send(body, { scope: 'file.read' }))
    expect(answers.map(({ outcome, code }) => code ?? outcome)).to.deep.equal([
      'done',
      'EACCES',
      'EACCES',
    ])
    expect((await send(body, { scope: 'file.write' })).status).to.equal(403)
  })

  it('refuses what is no batch, and what is broken from the start', async () => {
    const text = await send(Buffer.from('x'), { headers: { 'Content-Type': 'text/plain' } })
    expect([text.status, text.headers.accept]).to.deep.equal([415, BATCH_TYPE])
    for (const body of ['x', '\0\0\0\x01{', '\xff\xff\xff\xff', '\0\0\0\x02[]']) {
      const answer = await send(Buffer.from(body, 'latin1'))
      expect([answer.status, answer.problem().code]).to.deep.equal([400, 'EINVAL'])
    }
    const long = await send(Buffer.alloc(1_000_001))
    expect([long.status, long.problem().code]).to.deep.equal([413, 'EFBIG'])
  })

  it('says so in the last answer when it breaks later', async () => {
    const broken = Buffer.concat([encode([[{ op: 'root' }]]), Buffer.from('????????')])
    const cutOff = encode([
      [{ op: 'root' }],
      [{ op: 'put', place: { directory: root, name: 'cut' }, mode: 'create' }, 'content'],
    ]).subarray(0, -2)
    for (const body of [broken, cutOff]) {
      const [, last, ...more] = await results(await send(body))
      expect([last?.outcome, last?.code, more.length]).to.deep.equal(['broken', 'EINVAL', 0])
    }
    expect((await server.send('HEAD', '/files/cut')).status).to.equal(404)
  })

  it('carries nothing out that was sent after the token was revoked', async () => {
    let isLive = true
    const other = await startFileServer({ isLive: async () => isLive })
    try {
      const headers = { 'Content-Type': BATCH_TYPE }
      const to = { port: other.port, host: '127.0.0.1', method: 'POST', path: '/batch', headers }
      const request = http.request(to)
      request.write(Buffer.concat([encodeFrame({ op: 'root' }), encodeFrame({ op: 'root' })]))
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      const reader = new FrameReader(response)
      const outcomes = [await reader.next(), await reader.next()]
      isLive = false
      request.end(encodeFrame({ op: 'root' }))
      outcomes.push(await reader.next())
      const told = outcomes.map((frame) => frame?.header.outcome)
      expect(told).to.deep.equal(['done', 'done', 'broken'])
    } finally {
      await other.close()
    }
  })

  it('carries not even the first out when the token was revoked before it was sent', async () => {
    let isLive = true
    const other = await startFileServer({ isLive: async () => isLive })
    try {
      const headers = { 'Content-Type': BATCH_TYPE }
      const to = { port: other.port, host: '127.0.0.1', method: 'POST', path: '/batch', headers }
      const request = http.request(to)
      request.flushHeaders()
      // answered after the batch has begun: the server takes connections up in their order
      await other.send('HEAD', '/files')
      isLive = false
      request.end(encodeFrame({ op: 'root' }))
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      expect(response.statusCode).to.equal(403)
    } finally {
      await other.close()
    }
  })

  it('takes at most 10,000 operations', async () => {
    const frame = encodeFrame({ op: 'root' })
    const answers = await results(await send(Buffer.concat(Array(10_001).fill(frame))))
    expect(answers).to.have.length(10_001)
    expect(answers.at(-2)).to.include({ outcome: 'done' })
    expect(answers.at(-1)).to.include({ outcome: 'broken', code: 'E2BIG' })
  })

  it('answers while operations are still being sent', async () => {
    const request = http.request({
      port: server.port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/batch',
      headers: { 'Content-Type': BATCH_TYPE },
    })
    request.write(encodeFrame({ op: 'stat', ino }))
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const reader = new FrameReader(response)
    expect((await reader.next())?.header).to.include({ outcome: 'done' })
    request.write(encodeFrame({ op: 'lookup', directory: root, name: 'none' }))
    expect((await reader.next())?.header).to.include({ outcome: 'failed', code: 'ENOENT' })
    request.end()
    expect(await reader.next()).to.equal(undefined)
  })
}
