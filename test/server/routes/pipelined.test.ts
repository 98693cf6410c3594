import { expect } from 'chai'
import { type FileServer, startFileServer } from './file-server.js'

describe('requests that do not wait for answers (RFC 9112 section 9.3.2)', () => {
  let server: FileServer
  before(async () => {
    server = await startFileServer()
  })
  after(() => server.close())

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
        request('GET', '', 'Connection: close\r\n'),
      ].join(''),
    )
    expect(statuses(said).filter((status) => status !== 100)).to.deep.equal([
      201, 200, 200, 204, 404, 201, 200,
    ])
    expect(said).to.match(/\r\n\r\none/)
    expect(said).to.match(/\r\n\r\nlast$/)
  })
})
