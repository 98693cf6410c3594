import { expect } from 'chai'
import { type FileServer, startFileServer } from './file-server.js'

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
    'Coffer-Connection': connection,
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
