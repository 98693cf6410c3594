import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import { refuseMalformed } from '../../../server/requests/malformed.js'
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import { type Running, startSite } from '../running.js'

interface Parsed {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Sends bytes as they are, and parses the last answer that came before the server closed: it is read once all is sent. */
async function exchange(socket: Duplex, text: string): Promise<Parsed> {
  socket.pause()
  await new Promise((sent) => socket.write(text, sent))
  let all = ''
  for await (const chunk of socket) all += chunk
  const [head = '', body = ''] = (all.split(/(?=HTTP\/1\.1 \d{3} )/).at(-1) ?? '').split('\r\n\r\n')
  const [line = '', ...lines] = head.split('\r\n')
  const headers = lines.map((field) => field.split(': ', 2) as [string, string])
  return {
    status: Number(line.split(' ')[1]),
    headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    body,
  }
}

function expectProblem({ status, headers, body }: Parsed, expected: number, code: string): void {
  expect(status, body).to.equal(expected)
  expect(headers).to.include({
    connection: 'close',
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  expect(JSON.parse(body)).to.include({ type: 'about:blank', status: expected, code })
}

describe('what is no sound request (RFC 9112, RFC 9457)', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let site: Running
  let authorized: string
  before(async () => {
    site = await startSite()
    authorized = `Authorization: Bearer ${(await site.tokens()).access_token}\r\n`
  })
  after(() => site.remove())

  async function send(text: string): Promise<Parsed> {
    const { hostname, port } = new URL(site.issuer)
    const socket = connectTls({ host: hostname, port: Number(port), ca: site.ca })
    await once(socket, 'secureConnect')
    return exchange(socket, text)
  }

  const HOST = 'Host: localhost\r\n'
  const rows: [what: string, text: string, status: number, code: string][] = [
    ['a line that is no request', 'hello\r\n\r\n', 400, 'EINVAL'],
    ['a target with a blank', `GET /a b HTTP/1.1\r\n${HOST}\r\n`, 400, 'EINVAL'],
    ['bytes that are no text', '\x16\x03\x01\x02\x00\r\n\r\n', 400, 'EINVAL'],
    ['a field without a colon', `GET / HTTP/1.1\r\n${HOST}nothing\r\n\r\n`, 400, 'EINVAL'],
    ['two lengths', `PUT /files/f HTTP/1.1\r\n${HOST}Content-Length: 1, 2\r\n\r\n`, 400, 'EINVAL'],
    ['an unknown method', `BREW /files HTTP/1.1\r\n${HOST}\r\n`, 501, 'ENOTSUP'],
    ['a method in lower case', `get /files HTTP/1.1\r\n${HOST}\r\n`, 501, 'ENOTSUP'],
    ['CONNECT', `CONNECT localhost:1 HTTP/1.1\r\n${HOST}\r\n`, 501, 'ENOTSUP'],
    ['a version there is not', `GET /files HTTP/7.3\r\n${HOST}\r\n`, 505, 'ENOTSUP'],
    ['long fields', `GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(90_000)}\r\n\r\n`, 431, 'E2BIG'],
    ['a long target', `GET /${'x'.repeat(90_000)} HTTP/1.1\r\n${HOST}\r\n`, 431, 'E2BIG'],
  ]
  for (const [what, text, status, code] of rows) {
    it(`is refused with ${status}: ${what}`, async () => {
      expectProblem(await send(text), status, code)
    })
  }

  const contents: [what: string, content: string, status: number, code: string][] = [
    ['a broken chunk', 'zz\r\n', 400, 'EINVAL'],
    ['a long extension of a chunk', `1;${'x'.repeat(90_000)}\r\n`, 413, 'E2BIG'],
  ]
  for (const [what, content, status, code] of contents) {
    it(`is refused with ${status} as the content of a request: ${what}`, async () => {
      const fields = `${HOST}${authorized}Transfer-Encoding: chunked\r\n`
      const answer = await send(`PUT /files/f HTTP/1.1\r\n${fields}\r\n${content}`)
      expectProblem(answer, status, code)
      const head = await send(
        `HEAD /files/f HTTP/1.1\r\n${HOST}${authorized}Connection: close\r\n\r\n`,
      )
      expect(head.status).to.equal(404)
    })
  }

  it('is answered after the requests before it', async () => {
    const before = `GET /totals HTTP/1.1\r\n${HOST}\r\n`
    const { hostname, port } = new URL(site.issuer)
    const socket = connectTls({ host: hostname, port: Number(port), ca: site.ca })
    await once(socket, 'secureConnect')
    socket.write(`${before}${before}BREW / HTTP/1.1\r\n${HOST}\r\nand more`)
    let all = ''
    for await (const chunk of socket) all += chunk
    const statuses = [...all.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)
    expect(statuses).to.deep.equal(['401', '401', '501'])
  })

  const unsound: [what: string, fields: string, status: number][] = [
    ['an unknown expectation', `${HOST}Expect: the-moon\r\n`, 417],
    ['no Host', '', 400],
    ['two of Host', `${HOST}${HOST}`, 400],
    ['a Host that is none', 'Host: me@localhost/\r\n', 400],
  ]
  for (const [what, fields, status] of unsound) {
    for (const target of ['/files/f', '/totals', '/token', '/login', '*']) {
      it(`is refused with ${status} at ${target}: ${what}`, async () => {
        const accept = 'Accept: application/json\r\nConnection: close\r\n'
        const method = target === '*' ? 'OPTIONS' : 'GET'
        const answer = await send(`${method} ${target} HTTP/1.1\r\n${fields}${accept}\r\n`)
        expect(answer.status).to.equal(status)
        expect(answer.headers['content-type']).to.match(/^application\/problem\+json/)
        expect(JSON.parse(answer.body)).to.include({ status })
      })
    }
  }

  it('is no request to any other name or address (RFC 9110 section 7.2)', async () => {
    for (const host of [
      '',
      'a.example',
      'a_b:1',
      '127.0.0.1:',
      '[::1]:8443',
      '[fe80::1%25eth0]',
      'x%20y',
    ]) {
      const text = `GET /totals HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
      expect((await send(text)).status, host).to.equal(401)
    }
  })

  it('is nothing of HTTP/1.0, which knows no Host (RFC 9112 section 3.2)', async () => {
    expect((await send('GET /totals HTTP/1.0\r\n\r\n')).status).to.equal(401)
  })

  it('does not keep the content of a request whose expectation is not met', async () => {
    const fields = `${HOST}Expect: the-moon\r\nContent-Length: 5\r\n`
    const next = `GET /totals HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`
    expect((await send(`PUT /files/f HTTP/1.1\r\n${fields}\r\nhello${next}`)).status).to.equal(401)
  })

  it('is no OPTIONS *, which tells of the server as a whole (RFC 9110 section 9.3.7)', async () => {
    const answer = await send(`OPTIONS * HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    expect([answer.status, answer.body]).to.deep.equal([204, ''])
    expect(answer.headers.allow?.split(', ')).to.have.members(
      'GET HEAD PUT PATCH POST DELETE MOVE COPY OPTIONS'.split(' '),
    )
    expect(answer.headers['tus-version']).to.equal('1.0.0')
    const other = await send(`GET * HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    expect([other.status, other.headers.allow]).to.deep.equal([405, 'OPTIONS'])
    expect(JSON.parse(other.body)).to.include({ status: 405, code: 'ENOTSUP' })
  })
})

describe('what is no request, without TLS', () => {
  async function answered(text: string, options: http.ServerOptions = {}): Promise<Parsed> {
    const server = http.createServer(options)
    refuseMalformed(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    try {
      return await exchange(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), text)
    } finally {
      server.close()
    }
  }

  it('is answered with 408 if it does not come to its end (RFC 9110 section 15.5.9)', async () => {
    const times = { headersTimeout: 50, requestTimeout: 50, connectionsCheckingInterval: 10 }
    expectProblem(await answered('GET / HTTP/1.1\r\nHost: h\r\n', times), 408, 'EIO')
  })

  it('is answered so that the client gets to read it, however much more it sends (RFC 9112 section 9.6)', async () => {
    expectProblem(await answered(`hello\r\n${'x'.repeat(20_000_000)}`), 400, 'EINVAL')
  })
})
