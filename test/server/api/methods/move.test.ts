import { expect } from 'chai'
import { secretOf } from '../connection.js'
import { type Answer, type FileServer, startFileServer } from '../file-server.js'

describe('moving and copying', () => {
  let server: FileServer
  beforeEach(async () => {
    server = await startFileServer()
    await server.send('POST', '/files/d')
    await server.send('PUT', '/files/f', { body: 'f' })
    await server.send('PUT', '/files/d/g', { body: 'g' })
  })
  afterEach(() => server.close())

  const ino = async (target: string) => (await server.send('HEAD', target)).attributes().ino
  const text = async (target: string) => (await server.send('GET', target)).body.toString()
  const status = async (target: string) => (await server.send('HEAD', target)).status
  const outcome = (answer: Answer) => [answer.status, answer.problem().code]

  describe('MOVE', () => {
    const move = (target: string, Destination: string, headers = {}) =>
      server.send('MOVE', target, { headers: { Destination, ...headers } })

    it('moves with 201, and replaces with 204', async () => {
      const number = await ino('/files/f')
      const answer = await move('/files/f', '/files/d/new')
      expect([answer.status, answer.attributes().ino]).to.deep.equal([201, number])
      expect([await status('/files/f'), await text('/files/d/new')]).to.deep.equal([404, 'f'])
      expect((await move('/files/d/new', '/files/d/g')).status).to.equal(204)
      expect(await text('/files/d/g')).to.equal('f')
    })

    it('says, as all that gives a name, which change of others there is to hear of', async () => {
      const of = (connection: string) => ({ 'Coffer-Connection': secretOf(connection) })
      const others = ({ headers }: Answer) => headers['coffer-others']
      const first = await server.send('POST', '/files/lock', { headers: of('one') })
      const second = await move('/files/f', '/files/moved', of('two'))
      const third = await move('/files/moved', '/files/f', of('two'))
      expect(Number(others(second))).to.equal(Number(others(first)) + 1)
      expect(others(third)).to.equal(others(second))
      expect(others(await server.send('POST', '/files/unnamed'))).to.equal(undefined)
    })

    it('takes a URL of this server, and numbers', async () => {
      const here = `http://127.0.0.1:${server.port}`
      expect((await move('/files/f', `${here}/files/a%20b`)).status).to.equal(201)
      const directory = await ino('/files/d')
      expect((await move('/files/a%20b', `/inodes/${directory}/c`)).status).to.equal(201)
      expect((await move(`/inodes/${directory}/c`, '/files/f')).status).to.equal(201)
      expect(await text('/files/f')).to.equal('f')
    })

    it('swaps two names with Coffer-Exchange', async () => {
      const answer = await move('/files/f', '/files/d', { 'Coffer-Exchange': 'T' })
      expect(answer.status).to.equal(204)
      expect([await text('/files/d'), await text('/files/f/g')]).to.deep.equal(['f', 'g'])
      const none = await move('/files/d', '/files/none', { 'Coffer-Exchange': 'T' })
      expect(outcome(none)).to.deep.equal([404, 'ENOENT'])
    })

    it('keeps what it replaces usable by number with ?keep', async () => {
      const kept = await ino('/files/d/g')
      await move('/files/f?keep', '/files/d/g')
      expect(await text(`/inodes/${kept}`)).to.equal('g')
    })

    type Row = [from: string, to: string, headers: object, status: number, code: string]
    const refused: Row[] = [
      ['/files/f', '/files/d/g', { Overwrite: 'F' }, 412, 'EEXIST'],
      ['/files/f', '/files/d/g', { Overwrite: 'maybe' }, 400, 'EINVAL'],
      ['/files/f', '/files/d', {}, 400, 'EISDIR'],
      ['/files/d', '/files/f', {}, 409, 'ENOTDIR'],
      ['/files/d', '/files/d/below', {}, 400, 'EINVAL'],
      ['/files/none', '/files/new', {}, 404, 'ENOENT'],
      ['/files/f', '/files/none/new', {}, 404, 'ENOENT'],
      ['/files/f', '/files/d/../new', {}, 400, 'EINVAL'],
      ['/files/f', '/files/%2e%2e/new', {}, 400, 'EINVAL'],
      ['/files/f', '/files/a%2fb', {}, 400, 'EINVAL'],
      ['/files/f', '/files/', {}, 409, 'EBUSY'],
      ['/files/', '/files/new', {}, 409, 'EBUSY'],
      ['/files/f', '/totals', {}, 400, 'EINVAL'],
      ['/files/f', '/login', {}, 400, 'EINVAL'],
      ['/files/f', 'https://elsewhere.example/files/new', {}, 400, 'EINVAL'],
      ['/files/f', '', {}, 400, 'EINVAL'],
      ['/files/f', '/files/new', { 'If-Match': '"x"' }, 412, 'ESTALE'],
      ['/files/f', '/files/d/g', { 'Coffer-Exchange': 'x' }, 400, 'EINVAL'],
      ['/files/f', '/files/d', { 'Coffer-Exchange': 'T', Overwrite: 'F' }, 400, 'EINVAL'],
    ]
    for (const [from, to, headers, expected, code] of refused) {
      it(`refuses ${from} to ${to} ${JSON.stringify(headers)} with ${code}`, async () => {
        expect(outcome(await move(from, to, headers))).to.deep.equal([expected, code])
        expect([await text('/files/f'), await text('/files/d/g')]).to.deep.equal(['f', 'g'])
      })
    }

    it('refuses what is the same by any name (RFC 4918 section 9.9.4), but swaps it', async () => {
      const link = JSON.stringify({ type: 'link', path: '/f' })
      const headers = { 'Content-Type': 'application/json' }
      expect((await server.send('POST', '/files/l', { body: link, headers })).status).to.equal(201)
      const ours = [
        ['/files/f', '/files/f'],
        ['/files/f', '/files/l'],
        ['/files/d', '/files/d'],
        [`/inodes/${await ino('/files/d')}/g`, '/files/d/g'],
      ] as const
      for (const [from, to] of ours) {
        expect(outcome(await move(from, to))).to.deep.equal([403, 'EPERM'])
        expect((await move(from, to, { 'Coffer-Exchange': 'T' })).status).to.equal(204)
        expect([await status(from), await status(to)]).to.deep.equal([200, 200])
      }
      expect(outcome(await move('/files/f', '/files/f', { Overwrite: 'F' }))).to.deep.equal([
        412,
        'EEXIST',
      ])
    })

    it('refuses a missing Destination', async () => {
      expect(outcome(await server.send('MOVE', '/files/f'))).to.deep.equal([400, 'EINVAL'])
    })

    it('moves with Overwrite: F where nothing is', async () => {
      expect((await move('/files/f', '/files/new', { Overwrite: 'F' })).status).to.equal(201)
    })
  })

  it('holds If-Match against the source (RFC 9110 section 13.1.1)', async () => {
    const { etag } = (await server.send('HEAD', '/files/f')).attributes()
    for (const method of ['COPY', 'MOVE']) {
      const Destination = `/files/${method}`
      const ask = (tags: string) =>
        server.send(method, '/files/f', { headers: { Destination, 'If-Match': tags } })
      expect(outcome(await ask('"x"'))).to.deep.equal([412, 'ESTALE'])
      expect((await ask(`"x", ${etag}`)).status).to.equal(201)
    }
  })

  describe('COPY', () => {
    const copy = (target: string, Destination: string, headers = {}) =>
      server.send('COPY', target, { headers: { Destination, ...headers } })

    it('copies a file with 201, and over another with 204', async () => {
      const answer = await copy('/files/f', '/files/copy')
      expect(answer.status).to.equal(201)
      expect(answer.attributes().ino).not.to.equal(await ino('/files/f'))
      expect([await text('/files/f'), await text('/files/copy')]).to.deep.equal(['f', 'f'])
      expect((await copy('/files/d/g', '/files/copy')).status).to.equal(204)
      expect(await text('/files/copy')).to.equal('g')
      expect((await copy(`/inodes/${await ino('/files/f')}`, '/files/copy')).status).to.equal(204)
    })

    it('copies a directory into itself as it was', async () => {
      expect((await copy('/files/d', '/files/d/below')).status).to.equal(201)
      expect(await text('/files/d/below/g')).to.equal('g')
      expect(await status('/files/d/below/below')).to.equal(404)
    })

    it('copies a directory with all it contains, or alone with Depth: 0', async () => {
      expect((await copy('/files/d', '/files/deep')).status).to.equal(201)
      expect(await text('/files/deep/g')).to.equal('g')
      expect((await copy('/files/d', '/files/flat', { Depth: '0' })).status).to.equal(201)
      expect((await server.send('GET', '/files/flat')).entries()).to.deep.equal([])
    })

    const refused: [from: string, to: string, headers: object, status: number, code: string][] = [
      ['/files/f', '/files/d/g', { Overwrite: 'F' }, 412, 'EEXIST'],
      ['/files/f', '/files/f', {}, 403, 'EPERM'],
      ['/files/d', '/files/d', {}, 403, 'EPERM'],
      ['/files/none', '/files/new', {}, 404, 'ENOENT'],
      ['/files/f', '/files/none/new', {}, 404, 'ENOENT'],
      ['/files/f', '/files/../new', {}, 400, 'EINVAL'],
      ['/files/d', '/files/new', { Depth: '1' }, 400, 'EINVAL'],
    ]
    for (const [from, to, headers, expected, code] of refused) {
      it(`refuses ${from} to ${to} ${JSON.stringify(headers)} with ${code}`, async () => {
        expect(outcome(await copy(from, to, headers))).to.deep.equal([expected, code])
        expect([await text('/files/f'), await text('/files/d/g')]).to.deep.equal(['f', 'g'])
      })
    }
  })
})
