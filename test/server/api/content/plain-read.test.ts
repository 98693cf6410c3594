import type { IncomingMessage } from 'node:http'
import { expect } from 'chai'
import { isPlainRead } from '../../../../server/api/content/plain-read.js'
import { type Answer, type FileServer, startFileServer } from '../file-server.js'

describe('a plain GET, which is answered at once', () => {
  let server: FileServer
  let ino: number
  let unnamed: number
  const future = `${BigInt(Date.now() + 3_600_000) * 1_000_000n}`

  const json = { 'Content-Type': 'application/json' }

  before(async () => {
    server = await startFileServer()
    const made = async (target: string, body: string | Buffer, headers = {}) =>
      (await server.send('PUT', target, { body, headers })).attributes().ino
    await server.send('POST', '/files/d')
    ino = await made('/files/f', 'content')
    await made('/files/d/f', 'x'.repeat(4096))
    await made('/files/empty', '')
    await made('/files/large', Buffer.alloc(300_000, 'y'))
    await made('/files/a%20b%25', 'an escaped name')
    await made('/files/later', 'of tomorrow', { 'Coffer-Mtime': future })
    await made('/files/grown', 'a hole')
    await server.send('PATCH', '/files/grown', { body: '{"size":5000}', headers: json })
    unnamed = await made('/files/unnamed', 'still open')
    await server.send('DELETE', '/files/unnamed?keep')
    const link = JSON.stringify({ type: 'symlink', target: 'f' })
    await server.send('POST', '/files/link', { body: link, headers: json })
  })
  after(() => server.close())

  const said = ({ status, headers: { date: _, ...headers }, body }: Answer) => {
    const { 'last-modified': changed = '' } = headers
    // Of tomorrow it is the time of the answer.
    const isOfTomorrow = String(headers['coffer-attributes']).includes(future)
    const said = isOfTomorrow ? Date.parse(changed) <= Date.now() : changed
    return { status, headers: { ...headers, 'last-modified': said }, text: body.toString() }
  }
  const targets = [
    ...['/files/f', '/files/d/f', '/files/empty', '/files/large', '/files/a%20b%25'],
    ...['/files/later', '/files/grown', '/files/link', '/files', '/files/', '/files/d'],
    ...['/files/none', '/files/f/below', '/files/none/below', '/files/%zz', '/files/..'],
    ...['/files//f', '/inodes/999999', '/inodes/x', '/files/f/', '/files/f?'],
  ]
  for (const target of targets) {
    it(`says of ${target} what a GET with more to it says`, async () => {
      const plain = await server.send('GET', target)
      const long = await server.send('GET', target, { headers: { 'X-Other': 'way' } })
      expect(said(plain)).to.deep.equal(said(long))
      const again = await server.send('GET', target)
      expect(said(again)).to.deep.equal(said(long))
    })
  }

  it('says the same by number, also of a file without a name', async () => {
    for (const target of [`/inodes/${ino}`, `/inodes/${unnamed}`]) {
      const plain = await server.send('GET', target)
      const long = await server.send('GET', target, { headers: { 'X-Other': 'way' } })
      expect([plain.status, said(plain)]).to.deep.equal([200, said(long)])
    }
  })

  it('is answered with what is there now', async () => {
    const first = await server.send('GET', '/files/f')
    await server.send('PUT', '/files/f', { body: 'changed' })
    const second = await server.send('GET', '/files/f')
    expect([first.body, second.body].map(String)).to.deep.equal(['content', 'changed'])
    expect(second.headers.etag).to.not.equal(first.headers.etag)
    await server.send('PATCH', '/files/f', { headers: json, body: '{"mode":384}' })
    expect((await server.send('GET', '/files/f')).attributes().mode).to.equal(0o600)
    await server.send('DELETE', '/files/f')
    expect((await server.send('GET', '/files/f')).status).to.equal(404)
  })

  it('has no field that asks for more', () => {
    const plain = (query: string, ...rawHeaders: string[]) =>
      isPlainRead({ method: 'GET', rawHeaders } as IncomingMessage, query)
    expect(plain('', 'Host', 'a', 'Authorization', 'Bearer x', 'ACCEPT', '*/*')).to.equal(true)
    expect(plain('download', 'Host', 'a')).to.equal(false)
    expect(
      isPlainRead({ method: 'HEAD', rawHeaders: [] as string[] } as IncomingMessage, ''),
    ).to.equal(false)
    const more = ['Range', 'If-None-Match', 'If-Range', 'Want-Repr-Digest', 'TE', 'Content-Length']
    for (const name of [...more, 'Coffer-Connection', 'Coffer-Durability', 'Unheard-Of']) {
      expect(plain('', 'Host', 'a', name, 'x'), name).to.equal(false)
    }
  })
})
