import { expect } from 'chai'
import { CHANNEL_PROTOCOL } from '../../../server/wire/frames.js'
import { type FileServer, startFileServer } from './file-server.js'

describe('request targets of the file API', () => {
  let server: FileServer
  before(async () => {
    server = await startFileServer()
    await server.send('POST', '/files/d')
    await server.send('PUT', '/files/d/f', { body: 'x' })
  })
  after(() => server.close())

  const refused: [target: string, code: string][] = [
    ['/files/..', 'EINVAL'],
    ['/files/d/..', 'EINVAL'],
    ['/files/d/../d/f', 'EINVAL'],
    ['/files/.', 'EINVAL'],
    ['/files/./d', 'EINVAL'],
    ['/files/%2e%2e/d', 'EINVAL'],
    ['/files/%2E%2E', 'EINVAL'],
    ['/files/.%2e/d', 'EINVAL'],
    ['/files/%2e', 'EINVAL'],
    ['/files/d%2ff', 'EINVAL'],
    ['/files/d%2Ff', 'EINVAL'],
    ['/files/%2fetc%2fpasswd', 'EINVAL'],
    ['/files/a%00b', 'EINVAL'],
    ['/files/%00', 'EINVAL'],
    ['/files//', 'EINVAL'],
    ['/files//d', 'EINVAL'],
    ['/files/d//f', 'EINVAL'],
    ['/files/d//', 'EINVAL'],
    ['/files///', 'EINVAL'],
    ['/files/d#f', 'EINVAL'],
    ['/files/%', 'EILSEQ'],
    ['/files/%zz', 'EILSEQ'],
    ['/files/%ff', 'EILSEQ'],
    ['/files/%c0%ae%c0%ae', 'EILSEQ'],
    ['/files/%ed%a0%80', 'EILSEQ'],
    [`/files/${'a'.repeat(256)}`, 'ENAMETOOLONG'],
    [`/files/${'%C3%A4'.repeat(128)}`, 'ENAMETOOLONG'],
    [`/files/${'a/'.repeat(2049)}`, 'ENAMETOOLONG'],
    ['/inodes/', 'EINVAL'],
    ['/inodes/x', 'EINVAL'],
    ['/inodes/-1', 'EINVAL'],
    ['/inodes/1.5', 'EINVAL'],
    ['/inodes/1e3', 'EINVAL'],
    ['/inodes/%31', 'EINVAL'],
    ['/inodes/1/..', 'EINVAL'],
    ['/inodes//f', 'EINVAL'],
    ['/files?limit=1&limit=2', 'EINVAL'],
    ['/files?unheardof', 'EINVAL'],
    ['/files?limit=0', 'EINVAL'],
    ['/files?limit=-1', 'EINVAL'],
    ['/files?limit=a', 'EINVAL'],
    ['/files?after=..', 'EINVAL'],
    ['/files?after=a%2fb', 'EINVAL'],
    ['/files?after=%ff', 'EILSEQ'],
  ]
  for (const [target, code] of refused) {
    it(`refuses ${target.slice(0, 60)} with ${code}`, async () => {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        if (method !== 'GET' && target.includes('?')) continue
        const answer = await server.send(method, target)
        expect([answer.status, answer.problem().code]).to.deep.equal([400, code])
        expect(answer.headers['content-type']).to.match(/^application\/problem\+json/)
        expect(answer.headers['cache-control']).to.equal('no-store')
      }
    })
  }

  const absent: string[] = [
    '/inodes/0',
    '/inodes/00',
    '/inodes/01',
    '/inodes/999999999',
    '/inodes/99999999999999999999',
    '/files/nothing',
    '/files/nothing/below',
  ]
  for (const target of absent) {
    it(`finds nothing at ${target}`, async () => {
      const answer = await server.send('GET', target)
      expect([answer.status, answer.problem().code]).to.deep.equal([404, 'ENOENT'])
    })
  }

  const same: [target: string, type: string][] = [
    ['/files', 'directory'],
    ['/files/', 'directory'],
    ['/files/d', 'directory'],
    ['/files/d/', 'directory'],
    ['/files/%64', 'directory'],
    ['/files/d/f', 'file'],
  ]
  for (const [target, type] of same) {
    it(`finds a ${type} at ${target}`, async () => {
      const answer = await server.send('HEAD', target)
      expect([answer.status, answer.headers['x-file-type']]).to.deep.equal([200, type])
    })
  }

  it('takes the absolute form of a target (RFC 9112 section 3.2.2)', async () => {
    const answer = await server.send('HEAD', `http://127.0.0.1:${server.port}/files/d/f`)
    expect(answer.headers['x-file-type']).to.equal('file')
    const above = await server.send('HEAD', `http://127.0.0.1:${server.port}/files/d/../d/f`)
    expect(above.status).to.equal(400)
  })

  it('sees the raw bytes of a target, as an odd client sends them', async () => {
    for (const target of ['/files/../x', '/files/d/..', '/files/\xe4', '/files/d\\..\\f%00']) {
      const text = `GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`
      expect(await server.raw(Buffer.from(text, 'latin1'))).to.match(/^HTTP\/1\.1 400 /)
    }
  })

  it('leaves other targets to the rest of the site', async () => {
    for (const target of ['/', '/filesystem', '/Files', '/inodesx', '/totals/x', '/%66iles']) {
      const answer = await server.send('GET', target)
      expect([target, answer.body.toString()]).to.deep.equal([target, 'not the file API'])
    }
  })

  it('takes any other byte in a name', async () => {
    const name = Array.from({ length: 255 }, (_, code) => code)
      .filter((code) => code > 0 && code < 0x80 && code !== 0x2f)
      .map((code) => `%${code.toString(16).padStart(2, '0')}`)
      .join('')
    expect((await server.send('PUT', `/files/${name}`, { body: 'x' })).status).to.equal(201)
    const entries = (await server.send('GET', '/files')).entries()
    expect(entries.map((entry) => entry.name)).to.include(decodeURIComponent(name))
    expect((await server.send('DELETE', `/files/${name}`)).status).to.equal(204)
  })

  describe('methods', () => {
    it('answers 405 with Allow for those it does not know', async () => {
      for (const method of ['LOCK', 'PROPFIND', 'MKCOL', 'TRACE', 'REPORT']) {
        const answer = await server.send(method, '/files/d')
        expect([answer.status, answer.headers.allow]).to.deep.equal([
          405,
          'GET, HEAD, PUT, PATCH, POST, DELETE, MOVE, COPY, OPTIONS',
        ])
      }
      expect((await server.send('DELETE', '/totals')).headers.allow).to.equal('GET, HEAD, OPTIONS')
      expect((await server.send('PUT', '/batch')).headers.allow).to.equal(
        'POST, GET, HEAD, OPTIONS',
      )
    })

    it('answers OPTIONS with Allow and Accept-Patch (RFC 9110 section 9.3.7, RFC 5789 section 3.1)', async () => {
      const { status, headers } = await server.send('OPTIONS', '/files/d')
      expect([status, headers.allow, headers['accept-patch']]).to.deep.equal([
        204,
        'GET, HEAD, PUT, PATCH, POST, DELETE, MOVE, COPY, OPTIONS',
        'application/json, application/octet-stream, application/vnd.coffer.ranges, application/vnd.coffer.zero+json, application/vnd.coffer.copy+json',
      ])
    })

    it('answers HEAD as GET, also where GET wants an upgrade (RFC 9110 section 9.3.2)', async () => {
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = await server.send(method, '/batch')
        expect([status, headers.upgrade]).to.deep.equal([426, CHANNEL_PROTOCOL])
      }
    })

    it('asks for the scope each method needs', async () => {
      const outcome = async (method: string, scope: string) =>
        (await server.send(method, '/files/d', { scope })).status
      for (const method of ['GET', 'HEAD']) {
        expect(await outcome(method, 'file.read')).to.equal(200)
        expect(await outcome(method, 'file.write')).to.equal(403)
      }
      for (const method of ['PUT', 'PATCH', 'POST', 'DELETE', 'MOVE', 'COPY']) {
        expect(await outcome(method, 'file.read')).to.equal(403)
      }
    })
  })
})
