import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame } from '../../../../server/wire/frames.js'
import { secretOf } from '../connection.js'
import { type FileServer, startFileServer } from '../file-server.js'

const RANGE = { 'Content-Type': 'application/octet-stream', 'Content-Range': 'bytes 0-4/*' }

/** What a client has given up and asked again elsewhere is not done when it comes late. */
describe('an attempt that was given up', () => {
  let server: FileServer
  beforeEach(async () => {
    server = await startFileServer()
    await server.send('PUT', '/files/f', { body: 'first' })
  })
  afterEach(() => server.close())

  const of = (attempt: string, connection = 'c') => ({
    'Coffer-Connection': secretOf(connection),
    'Coffer-Attempt': attempt,
  })
  const write = (fields: Record<string, string>, text: string) =>
    server.send('PATCH', '/files/f', { headers: { ...RANGE, ...fields }, body: text })
  const now = async () => (await server.send('GET', '/files/f')).body.toString()

  it('is not done after the one that says so', async () => {
    expect((await write({ ...of('2'), 'Coffer-Abandoned': '1' }, 'newer')).status).to.equal(204)
    const late = await write(of('1'), 'older')
    expect(late.status).to.equal(410)
    expect(late.problem().code).to.equal('ESTALE')
    expect(await now()).to.equal('newer')
  })

  it('is not done when its content was on its way already', async () => {
    const fields = Object.entries({ ...RANGE, ...of('1') }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    )
    const head = `PATCH /files/f HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n${fields.join('')}\r\n`
    const socket = await server.open(`${head}old`)
    await write({ ...of('2'), 'Coffer-Abandoned': '7, 1' }, 'newer')
    const answered = new Promise<string>((resolve) => {
      socket.once('data', (data: Buffer) => resolve(data.toString()))
    })
    socket.write('er')
    expect(await answered).to.match(/^HTTP\/1.1 410 /)
    socket.destroy()
    expect(await now()).to.equal('newer')
  })

  it('is that of one connection', async () => {
    await write({ ...of('2'), 'Coffer-Abandoned': '1' }, 'newer')
    expect((await write(of('1', 'other'), 'other')).status).to.equal(204)
    expect(await now()).to.equal('other')
  })

  const malformed: [fields: Record<string, string>, why: string][] = [
    [{ ...of('a b') }, 'a blank'],
    [{ ...of('1, 2') }, 'two names'],
    [{ ...of('1'), 'Coffer-Abandoned': '' }, 'an empty name'],
    [
      { ...of('1'), 'Coffer-Abandoned': Array.from({ length: 33 }, (_, i) => i).join() },
      'too many',
    ],
    [{ 'Coffer-Attempt': '1' }, 'no connection'],
  ]
  for (const [fields, why] of malformed) {
    it(`is refused with ${why}`, async () => {
      expect((await write(fields, 'newer')).status).to.equal(400)
      expect(await now()).to.equal('first')
    })
  }
})

/** After a lost answer its client asks. */
describe('a change with a name', () => {
  let server: FileServer
  let ino: number
  beforeEach(async () => {
    server = await startFileServer()
    ino = (await server.send('PUT', '/files/f', { body: 'first' })).attributes().ino
  })
  afterEach(() => server.close())

  const of = (connection: string) => ({ 'Coffer-Connection': secretOf(connection) })
  const made = async (
    name: string,
    fields: Record<string, string> = of('c'),
  ): Promise<{ made: boolean; size: number }> => {
    const answer = await server.send('GET', `/inodes/${ino}?change=${name}`, { headers: fields })
    expect(answer.status).to.equal(200)
    return { ...JSON.parse(answer.body.toString()), size: answer.attributes().size }
  }

  it('is known as made once it was, to its connection alone', async () => {
    expect(await made('1')).to.deep.equal({ made: false, size: 5 })
    const headers = { ...RANGE, 'Content-Range': 'bytes 5-6/*', ...of('c'), 'Coffer-Change': '1' }
    await server.send('PATCH', '/files/f', { headers, body: 'ab' })
    expect(await made('1')).to.deep.equal({ made: true, version: 2, size: 7 })
    expect(await made('2')).to.deep.equal({ made: false, size: 7 })
    expect(await made('1', of('other'))).to.deep.equal({ made: false, size: 7 })
    await server.send('PUT', '/files/f', { body: 'since' })
    expect(await made('1')).to.deep.equal({ made: true, version: 2, size: 5 })
  })

  it('is not known if it was refused', async () => {
    const headers = { ...RANGE, ...of('c'), 'Coffer-Change': '1', 'If-Match': '"other"' }
    expect((await server.send('PATCH', '/files/f', { headers, body: 'newer' })).status).to.equal(
      412,
    )
    expect((await made('1')).made).to.equal(false)
  })

  const operations: [operation: object, content?: Buffer][] = [
    [{ op: 'write', offset: 0 }, Buffer.from('newer')],
    [{ op: 'setAttributes', changes: { mode: 0o600 } }],
    [{ op: 'setAttributes', changes: { size: 0 } }],
    [{ op: 'zero', offset: 0, bytes: 2 }],
  ]
  it('is known of a copy in a batch', async () => {
    const copy = { op: 'copyRange', from: { ino, offset: 0 }, to: { ino, offset: 5 }, bytes: 5 }
    const headers = { 'Content-Type': BATCH_TYPE, ...of('c') }
    await server.send('POST', '/batch', { headers, body: encodeFrame({ ...copy, change: 'x' }) })
    expect(await made('x')).to.deep.equal({ made: true, version: 2, size: 10 })
  })

  for (const [operation, content] of operations) {
    it(`is known of ${JSON.stringify(operation)} in a batch`, async () => {
      const frame = encodeFrame({ ...operation, ino, change: 'x' }, content)
      const headers = { 'Content-Type': BATCH_TYPE, ...of('c') }
      const answer = await server.send('POST', '/batch', { headers, body: frame })
      expect(answer.body.toString()).to.include('"done"')
      expect((await made('x')).made).to.equal(true)
    })
  }

  const makes: [operation: object, made: 'f' | 'new'][] = [
    [{ op: 'make', what: { type: 'directory' } }, 'new'],
    [{ op: 'link' }, 'f'],
  ]
  for (const [operation, what] of makes) {
    it(`is known of ${JSON.stringify(operation)} in a batch, by the number of what it made`, async () => {
      const root = (await server.send('GET', '/files/')).attributes().ino
      const asked = async (fields = of('c')) =>
        JSON.parse(
          (
            await server.send('GET', `/inodes/${root}?change=x`, { headers: fields })
          ).body.toString(),
        )
      expect(await asked()).to.deep.equal({ made: false })
      const frame = encodeFrame({
        ...operation,
        ...(what === 'f' ? { ino } : {}),
        place: { directory: root, name: 'new' },
        change: 'x',
      })
      const headers = { 'Content-Type': BATCH_TYPE, ...of('c') }
      await server.send('POST', '/batch', { headers, body: frame })
      const made = (await server.send('HEAD', '/files/new')).attributes().ino
      await server.send('DELETE', '/files/new')
      expect(await asked()).to.deep.equal({ made: true, ino: made })
      expect(await asked(of('other'))).to.deep.equal({ made: false })
      expect((await asked()).ino === ino).to.equal(what === 'f')
    })
  }

  it('is refused without a connection, or with a name that is none', async () => {
    for (const fields of [{ 'Coffer-Change': '1' }, { ...of('c'), 'Coffer-Change': 'a b' }]) {
      const headers = { ...RANGE, ...fields }
      const answer = await server.send('PATCH', '/files/f', { headers, body: 'newer' })
      expect(answer.status).to.equal(400)
    }
    const asked = await server.send('GET', `/inodes/${ino}?change=1`)
    expect(asked.status).to.equal(400)
    expect((await server.send('GET', '/files/f')).body.toString()).to.equal('first')
  })
})
