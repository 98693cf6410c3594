import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { openDatabase } from '../../../../server/database/database.js'
import { connectionOf } from '../../../../server/wire/connection.js'
import { HEADERS } from '../../../../server/wire/headers.js'
import { until } from '../../../support/until.js'
import { secretOf } from '../connection.js'
import { type Answer, type FileServer, type Options, startFileServer } from '../file-server.js'

const TUS = { 'Tus-Resumable': '1.0.0' }
const OFFSET = 'application/offset+octet-stream'

describe('resumable uploads (tus 1.0.0)', () => {
  let server: FileServer
  beforeEach(async () => {
    server = await startFileServer({
      limits: { uploadBytes: 5_000_000, uploadLifetimeMilliseconds: 60_000 },
    })
  })
  afterEach(() => server.close())

  const tus = (method: string, target: string, headers = {}, options: Options = {}) =>
    server.send(method, target, { ...options, headers: { ...TUS, ...headers } })
  const create = (target: string, length: number | string, headers = {}) =>
    tus('POST', target, { 'Upload-Length': String(length), ...headers })
  const patch = (target: string, offset: number, body: string | Buffer, options: Options = {}) =>
    tus(
      'PATCH',
      target,
      { 'Upload-Offset': String(offset), 'Content-Type': OFFSET },
      { ...options, body },
    )
  const text = async (target: string) => (await server.send('GET', target)).body.toString()
  const place = (answer: Answer) => String(answer.headers.location)
  const offset = async (target: string) => (await tus('HEAD', target)).headers['upload-offset']

  async function storedBytes(): Promise<number> {
    const content = join(server.directory, 'content')
    const paths = (await readdir(content, { recursive: true })).map((name) => join(content, name))
    const files = (await Promise.all(paths.map((path) => stat(path)))).filter((at) => at.isFile())
    return files.reduce((bytes, { size }) => bytes + size, 0)
  }

  it('counts against the quota from the beginning, with all that are under way', async () => {
    await server.send('PUT', '/files/old', { body: 'x'.repeat(500) })
    await server.storage.setQuota('alice', { maxBytes: 1000, maxInodes: 3 })
    const first = await create('/files/f', 400)
    expect([first.status, (await create('/files/g', 200)).status]).to.deep.equal([201, 507])
    expect((await create('/files/old', 500)).status).to.equal(201)
    expect((await tus('DELETE', place(first))).status).to.equal(204)
    expect((await create('/files/g', 200)).status).to.equal(201)
    await server.storage.setQuota('alice', { maxBytes: null, maxInodes: 2 })
    expect((await create('/files/h', 1)).status).to.equal(507)
    expect((await create('/files/old', 1)).status).to.equal(201)
  })

  it('takes a file in several requests, and shows it when it is whole', async () => {
    const made = await create('/files/f', 10, { 'Coffer-Mode': '0600' })
    expect(made.status).to.equal(201)
    expect(made.headers).to.include({ 'tus-resumable': '1.0.0', 'upload-offset': '0' })
    expect(Date.parse(String(made.headers['upload-expires']))).to.be.above(Date.now())
    expect((await patch(place(made), 0, '01234')).headers['upload-offset']).to.equal('5')
    expect((await server.send('HEAD', '/files/f')).status).to.equal(404)
    const head = await tus('HEAD', place(made))
    expect(head.headers).to.include({
      'upload-offset': '5',
      'upload-length': '10',
      'cache-control': 'no-store',
    })
    const last = await patch(place(made), 5, '56789')
    expect([last.status, last.attributes().mode]).to.deep.equal([204, 0o600])
    expect(await text('/files/f')).to.equal('0123456789')
  })

  it('tells of the file as made by the connection that began, whose secret is not kept', async () => {
    const made = await create('/files/f', 3, { [HEADERS.connection]: secretOf('one') })
    const database = openDatabase(join(server.directory, 'coffer.sqlite'))
    const kept = JSON.stringify(database.prepare('SELECT * FROM uploads').all())
    database.close()
    expect(kept)
      .to.include(connectionOf(secretOf('one')))
      .and.not.include(secretOf('one'))
    await patch(place(made), 0, 'abc')
    const told = await server.raw(
      'GET /changes?since=0 HTTP/1.1\r\nHost: h\r\n\r\n',
      /event: change\n(?:.+\n)+\n/,
    )
    expect(told).to.include(`"origin":"${connectionOf(secretOf('one'))}"`)
  })

  it('still says that it is whole when the last answer was lost', async () => {
    const made = await create('/files/f', 3)
    await patch(place(made), 0, 'abc')
    expect(await offset(place(made))).to.equal('3')
    expect((await patch(place(made), 3, '')).status).to.equal(204)
  })

  it('goes on where a broken connection stopped', async () => {
    const body = Buffer.alloc(3_000_000, 'x')
    const made = await create('/files/f', body.length)
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    const head = `PATCH ${place(made)} HTTP/1.1\r\nHost: h\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0`
    socket.write(`${head}\r\nContent-Type: ${OFFSET}\r\nContent-Length: ${body.length}\r\n\r\n`)
    await new Promise((written) => socket.write(body.subarray(0, 2_000_000), written))
    await until('some of it is stored', async () => (await storedBytes()) > 0)
    // HEAD breaks off the request that is still open, as a client that lost its line needs it
    const reached = Number(await offset(place(made)))
    expect(reached).to.be.within(1, 2_000_000)
    expect((await patch(place(made), reached, body.subarray(reached))).status).to.equal(204)
    expect((await server.send('HEAD', '/files/f')).attributes().size).to.equal(body.length)
    socket.destroy()
  })

  it('verifies Content-Digest, and begins again after a wrong one (RFC 9530 section 2)', async () => {
    const made = place(await create('/files/f', 6))
    const part = (at: number, body: string, digested: string) =>
      tus(
        'PATCH',
        made,
        {
          'Upload-Offset': String(at),
          'Content-Type': OFFSET,
          'Content-Digest': `sha-256=:${createHash('sha256').update(digested).digest('base64')}:`,
        },
        { body },
      )
    expect((await part(0, 'abc', 'abc')).headers['upload-offset']).to.equal('3')
    const wrong = await part(3, 'dex', 'def')
    expect([wrong.status, wrong.problem().code]).to.deep.equal([400, 'EINVAL'])
    expect((await tus('HEAD', made)).status).to.equal(404)
    expect((await server.send('HEAD', '/files/f')).status).to.equal(404)
  })

  const sha256 = (text: string | Buffer) =>
    `sha-256=:${createHash('sha256').update(text).digest('base64')}:`

  it('verifies the Repr-Digest of the creation when all has come (RFC 9530 section 3)', async () => {
    const body = Buffer.alloc(600_000, 'right')
    const right = { 'Repr-Digest': sha256(body) }
    const made = place(await create('/files/f', body.length, right))
    await patch(made, 0, body.subarray(0, 400_000))
    const last = await patch(made, 400_000, body.subarray(400_000))
    expect([last.status, last.attributes().size]).to.deep.equal([204, body.length])
    const headers = { 'Want-Repr-Digest': 'sha-256=1' }
    const { headers: found } = await server.send('HEAD', '/files/f', { headers })
    expect(found['repr-digest']).to.equal(right['Repr-Digest'])
  })

  it('changes nothing, and begins again, after a wrong Repr-Digest', async () => {
    await server.send('PUT', '/files/f', { body: 'as it was' })
    for (const [first, rest] of [
      ['abc', 'dex'],
      ['', 'abcdex'],
      ['abcdex', ''],
    ] as const) {
      const headers = {
        'Upload-Length': '6',
        'Content-Type': OFFSET,
        'Repr-Digest': sha256('abcdef'),
      }
      const made = await tus('POST', '/files/f', headers, { body: first })
      const last = rest === '' ? made : await patch(place(made), first.length, rest)
      expect([last.status, last.problem().code]).to.deep.equal([400, 'EINVAL'])
      expect(last.problem().detail).to.include('Repr-Digest')
      if (rest !== '') expect((await tus('HEAD', place(made))).status).to.equal(404)
    }
    expect(await text('/files/f')).to.equal('as it was')
    expect(await server.storage.quota('alice')).to.include({ bytes: 9, inodes: 2 })
    const empty = await create('/files/f', 0, { 'Repr-Digest': sha256('') })
    expect([empty.status, await text('/files/f')]).to.deep.equal([201, ''])
  })

  it('takes a Repr-Digest with the creation only, and a well-formed one', async () => {
    const made = place(await create('/files/f', 3))
    const headers = { 'Upload-Offset': '0', 'Content-Type': OFFSET, 'Repr-Digest': sha256('abc') }
    const answer = await tus('PATCH', made, headers, { body: 'abc' })
    expect([answer.status, answer.problem().code]).to.deep.equal([400, 'EINVAL'])
    expect(await offset(made)).to.equal('0')
    // the same in all requests, as tus-js-client sends its fields
    const same = place(await create('/files/same', 6, { 'Repr-Digest': sha256('abcdef') }))
    for (const [at, body] of [
      [0, 'abc'],
      [3, 'def'],
    ] as const) {
      const all = { ...headers, 'Upload-Offset': String(at), 'Repr-Digest': sha256('abcdef') }
      expect((await tus('PATCH', same, all, { body })).status).to.equal(204)
    }
    expect(await text('/files/same')).to.equal('abcdef')
    const malformed = await create('/files/g', 3, { 'Repr-Digest': 'sha-256=abc' })
    expect([malformed.status, malformed.problem().code]).to.deep.equal([400, 'EINVAL'])
  })

  it('takes the first bytes with the creation, and an empty file at once', async () => {
    const headers = { 'Upload-Length': '5', 'Content-Type': OFFSET }
    const made = await tus('POST', '/files/f', headers, { body: 'abc' })
    expect([made.status, made.headers['upload-offset']]).to.deep.equal([201, '3'])
    await patch(place(made), 3, 'de')
    expect(await text('/files/f')).to.equal('abcde')
    expect((await create('/files/empty', 0)).status).to.equal(201)
    expect(await text('/files/empty')).to.equal('')
  })

  it('takes the name from the metadata in a directory', async () => {
    const filename = Buffer.from('ä b').toString('base64')
    const made = await create('/files/', 1, { 'Upload-Metadata': `filename ${filename},x` })
    await patch(place(made), 0, 'x')
    expect(await text('/files/%C3%A4%20b')).to.equal('x')
  })

  it('holds If-None-Match when it begins and when it ends', async () => {
    const headers = { 'If-None-Match': '*' }
    const made = await create('/files/f', 1, headers)
    await server.send('PUT', '/files/f', { body: 'first' })
    expect((await create('/files/f', 1, headers)).status).to.equal(412)
    expect((await patch(place(made), 0, 'x')).status).to.equal(412)
    expect(await text('/files/f')).to.equal('first')
    expect((await tus('HEAD', place(made))).status).to.equal(404)
  })

  it('is given up by DELETE, and is nobody else’s', async () => {
    const made = await create('/files/f', 1)
    for (const method of ['HEAD', 'DELETE']) {
      expect((await tus(method, place(made), {}, { user: 'bob' })).status).to.equal(404)
    }
    expect((await patch(place(made), 0, 'x', { user: 'bob' })).status).to.equal(404)
    expect((await tus('DELETE', place(made))).status).to.equal(204)
    expect((await tus('HEAD', place(made))).status).to.equal(404)
  })

  it('names itself in OPTIONS', async () => {
    expect((await server.send('OPTIONS', '/files/')).headers).to.include({
      'tus-version': '1.0.0',
      'tus-extension': 'creation,creation-with-upload,expiration,termination',
      'tus-max-size': '5000000',
    })
  })

  it('says Tus-Resumable in every answer, and what PATCH takes there', async () => {
    const made = await create('/files/f', 3)
    const answers = [
      await patch(place(made), 2, 'c'),
      await patch('/uploads/AAAAAAAAAAAAAAAAAAAAAA', 0, 'a'),
      await tus('PATCH', place(made), { 'Upload-Offset': '0', 'Content-Type': 'text/plain' }),
      await server.send('HEAD', place(made)),
      await create('/files/no/f', 3),
    ]
    expect(answers.map(({ status }) => status)).to.deep.equal([409, 404, 415, 412, 404])
    for (const { headers } of answers) expect(headers).to.include({ 'tus-resumable': '1.0.0' })
    expect(answers[2]?.headers).to.include({ accept: OFFSET, 'accept-patch': OFFSET })
    const options = await server.send('OPTIONS', place(made))
    expect(options.headers).to.include({ 'accept-patch': OFFSET })
  })

  it('repeats the metadata in HEAD', async () => {
    const said = 'filename Zg==,filetype dGV4dA==,private'
    const made = await create('/files/', 3, { 'Upload-Metadata': said })
    expect((await tus('HEAD', place(made))).headers).to.include({ 'upload-metadata': said })
  })

  it('takes the method from X-HTTP-Method-Override', async () => {
    const made = await create('/files/f', 3)
    const override = (method: string, headers = {}, options: Options = {}) =>
      tus('POST', place(made), { 'X-HTTP-Method-Override': method, ...headers }, options)
    const sent = { 'Upload-Offset': '0', 'Content-Type': OFFSET }
    expect((await override('PATCH', sent, { body: 'ab' })).status).to.equal(204)
    expect(await offset(place(made))).to.equal('2')
    expect((await override('DELETE')).status).to.equal(204)
    expect((await tus('HEAD', place(made))).status).to.equal(404)
  })

  it('answers 413 to a length beyond Tus-Max-Size, however long', async () => {
    for (const length of ['5000001', '9007199254740992', '9'.repeat(40)]) {
      expect((await create('/files/f', length)).status, length).to.equal(413)
    }
  })

  it('refuses what the protocol forbids', async () => {
    const made = await create('/files/f', 5)
    const at = place(made)
    const outcomes: [answer: Promise<Answer>, status: number][] = [
      [patch(at, 1, 'x'), 409],
      [patch(at, 0, 'too long'), 413],
      [
        tus('PATCH', at, { 'Upload-Offset': '0', 'Content-Type': 'text/plain' }, { body: 'x' }),
        415,
      ],
      [tus('PATCH', at, { 'Content-Type': OFFSET }, { body: 'x' }), 400],
      [server.send('HEAD', at), 412],
      [server.send('HEAD', at, { headers: { 'Tus-Resumable': '0.2.2' } }), 412],
      [create('/files/g', 'x'), 400],
      [create('/files/g', -1), 400],
      [create('/files/g', 5_000_001), 413],
      [create('/files/', 5), 400],
      [create('/files/none/g', 5), 404],
      [create('/files/', 5, { 'Upload-Metadata': 'filename Li4=' }), 400],
      [create('/files/', 5, { 'Upload-Metadata': 'filename !' }), 400],
      [tus('HEAD', '/uploads/AAAAAAAAAAAAAAAAAAAAAA'), 404],
      [server.send('HEAD', at, { headers: TUS, scope: 'file.read' }), 403],
    ]
    for (const [answer, status] of outcomes) expect((await answer).status).to.equal(status)
    expect(await offset(at)).to.equal('0')
  })

  it('lets a user have 20 of them at once', async () => {
    const made: Answer[] = []
    for (let i = 0; i < 20; i++) made.push(await create(`/files/${i}`, 1))
    expect((await create('/files/more', 1)).status).to.equal(429)
    const [first] = made
    if (first !== undefined) await patch(place(first), 0, 'x')
    expect((await create('/files/more', 1)).status).to.equal(201)
  })
})

describe('a resumable upload that nobody goes on with', () => {
  it('expires', async () => {
    const server = await startFileServer({ limits: { uploadLifetimeMilliseconds: 1 } })
    const headers = { ...TUS, 'Upload-Length': '5' }
    const made = await server.send('POST', '/files/f', { headers })
    const head = () => server.send('HEAD', String(made.headers.location), { headers: TUS })
    while ((await head()).status !== 404) await delay(2)
    await server.close()
  })
})
