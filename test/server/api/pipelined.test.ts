import { expect } from 'chai'
import { type FileServer, startFileServer } from './file-server.js'

describe('requests that do not wait for answers (RFC 9112 section 9.3.2)', () => {
  let server: FileServer
  before(async () => {
    server = await startFileServer()
  })
  after(() => server.close())

  const CLOSE = 'Connection: close\r\n'
  const request = (method: string, body = '', fields = '') =>
    `${method} /files/f HTTP/1.1\r\nHost: h\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`
  const statuses = (said: string) =>
    [...said.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))

  it('are carried out one after the other', async () => {
    const said = await server.raw(
      [
        request('PUT', 'one'),
        request('GET'),
        request('PUT', 'x'.repeat(300_000), 'Expect: 100-continue\r\n'),
        request('DELETE'),
        request('GET'),
        request('PUT', 'last'),
        request('GET', '', CLOSE),
      ].join(''),
    )
    expect(statuses(said).filter((status) => status !== 100)).to.deep.equal([
      201, 200, 200, 204, 404, 201, 200,
    ])
    expect(said).to.match(/\r\n\r\none/)
    expect(said).to.match(/\r\n\r\nlast$/)
  })

  it('are all answered, as long as they are not too many', async () => {
    const said = await server.raw(request('GET').repeat(256) + request('GET', '', CLOSE))
    expect(statuses(said)).to.have.length(257)
  })

  it('end the connection when more wait than anybody sends who waits for answers', async () => {
    const all = request('GET').repeat(5_000) + request('GET', '', CLOSE)
    const said = await server.raw(all).catch(({ code }: NodeJS.ErrnoException) => {
      expect(code).to.equal('ECONNRESET')
      return ''
    })
    expect(statuses(said).length).to.be.below(5_000)
    expect(statuses(await server.raw(request('GET', '', CLOSE)))).to.have.length(1)
  })
})
