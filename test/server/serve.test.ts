import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import supertest from 'supertest'
import { tlsFiles } from '../../server/tls/files.js'
import { CHANNEL_PROTOCOL, encodeFrame, FrameReader } from '../../server/wire/frames.js'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { SIGNING_IN_MILLISECONDS } from '../support/login.js'
import { PASSWORD, type Running, signIn, startSite } from './running.js'

function generatedKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

describe('the first start', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let parent: string
  let data: string
  beforeEach(async () => {
    parent = await temporaryDirectory('first')
    data = join(parent, 'data')
  })
  afterEach(() => removeDirectory(parent))

  function files(directory: string): string[] {
    return readdirSync(directory, { withFileTypes: true, recursive: true }).map((entry) =>
      join(entry.parentPath, entry.name),
    )
  }

  it('makes the data directory for its owner alone', async () => {
    const umask = process.umask(0o077)
    const site = await startSite({ data })
    await site.remove()
    process.umask(umask)
    for (const path of [data, ...files(data)]) {
      expect(statSync(path).mode & 0o077, path).to.equal(0)
    }
  })

  it('closes a directory that others may enter', async () => {
    mkdirSync(data, { mode: 0o755 })
    const site = await startSite({ data })
    await site.remove()
    expect(statSync(data).mode & 0o777).to.equal(0o700)
  })

  it('says once where it serves, what to trust, and the password of the first user', async () => {
    const first = await startSite({ data, environment: { COFFER_ADMIN_PASSWORD: '' } })
    const output = first.printed.join('\n')
    const password = /password ([a-z0-9-]{23}) \(shown only this once\)/.exec(output)?.[1] ?? ''
    expect(output).to.contain(join(data, 'tls', 'ca.pem'))
    expect(first.printed.at(-1)).to.equal(`Coffer is serving ${first.issuer}`)
    expect(output).to.not.contain('COFFER_ISSUER')
    expect((await signIn(first.browser(), { password })).status).to.equal(303)
    await first.stop()
    for (const path of files(data).filter((each) => statSync(each).isFile())) {
      expect(readFileSync(path).includes(password), path).to.equal(false)
    }
    const second = await startSite({ data, environment: { COFFER_ADMIN_PASSWORD: '' } })
    expect(second.printed.join()).to.not.contain('password')
    expect((await signIn(second.browser(), { password })).status).to.equal(303)
    await second.stop()
  })

  it('leaves the password and the issuer to the next start when it fails', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const environment = { COFFER_ADMIN_PASSWORD: '' }
    const started = startSite({ data, environment: { ...environment, COFFER_PORT: String(port) } })
    const failure = await started.then(() => undefined, String)
    taken.close()
    expect(failure).to.match(/another program listens there: .* with --port or COFFER_PORT/)
    const site = await startSite({ data, environment: { ...environment, COFFER_PORT: '0' } })
    await site.stop()
    expect(site.printed.join()).to.contain('shown only this once')
    const named = await startSite({ data, environment: { COFFER_ISSUER: 'https://a.example' } })
    await named.stop()
  })

  const broken: [variable: 'COFFER_TLS_CERT' | 'COFFER_TLS_KEY', content: string | undefined][] = [
    ['COFFER_TLS_CERT', undefined],
    ['COFFER_TLS_CERT', 'no PEM'],
    ['COFFER_TLS_KEY', undefined],
    ['COFFER_TLS_KEY', 'no PEM'],
    ['COFFER_TLS_KEY', generatedKey()],
  ]
  for (const [variable, content] of broken) {
    it(`names ${variable} when it is ${content?.slice(0, 6) ?? 'missing'}, and makes nothing`, async () => {
      const other = join(parent, 'other')
      const site = await startSite({ data: other })
      await site.stop()
      const { certificate, key } = tlsFiles(other).server
      const file = join(parent, 'given.pem')
      if (content !== undefined) writeFileSync(file, content)
      const environment = { COFFER_TLS_CERT: certificate, COFFER_TLS_KEY: key, [variable]: file }
      const failure = await startSite({ data, environment, ca: '' }).then(() => '', String)
      expect(failure).to.match(new RegExp(`^ConfigError: .*\\n  ${variable} must .*given.pem`))
      expect(existsSync(data)).to.equal(false)
    })
  }

  it('names COFFER_SECRET_FILE when that is missing, and makes nothing there', async () => {
    const file = join(parent, 'mistyped')
    const environment = { COFFER_SECRET_FILE: file }
    const failure = await startSite({ data, environment }).then(() => '', String)
    expect(failure).to.match(/^ConfigError: .*\n {2}COFFER_SECRET_FILE must .*mistyped/)
    expect(existsSync(file)).to.equal(false)
  })

  it('takes the first password from the environment, and only the first time', async () => {
    const first = await startSite({ data })
    expect(first.printed.join()).to.not.contain('password')
    await first.stop()
    const second = await startSite({
      data,
      environment: { COFFER_ADMIN_PASSWORD: 'another one 1' },
    })
    expect((await signIn(second.browser())).status).to.equal(303)
    expect((await signIn(second.browser(), { password: 'another one 1' })).status).to.equal(403)
    await second.stop()
  })

  it('writes neither passwords nor tokens into the data directory (RFC 6749 section 10.3)', async () => {
    const site = await startSite({ data })
    const { access_token, refresh_token = '' } = await site.tokens()
    const answer = await signIn(site.browser())
    const cookies = answer.headers['set-cookie'] as unknown as string[]
    const cookie = /__Host-coffer=([^;]+)/.exec(cookies.join('\n'))?.[1] ?? ''
    const { sid } = JSON.parse(Buffer.from(cookie, 'base64').toString())
    await site.stop()
    for (const path of files(data).filter((each) => statSync(each).isFile())) {
      const content = readFileSync(path)
      for (const secret of [PASSWORD, access_token, refresh_token, sid]) {
        expect(content.includes(secret), path).to.equal(false)
      }
    }
  })
})

describe('a data directory', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  it('has one server at a time, and is free again when that has stopped', async () => {
    const site = await startSite()
    const { data } = site
    const failure = await startSite({ data }).then(
      () => 'started',
      (error: Error) => error.message,
    )
    expect(failure).to.contain(`${data} is in use by another coffer-server`)
    await site.stop()
    const again = await startSite({ data })
    await again.stop()
    await site.remove()
  }).timeout(30_000)

  it('keeps its issuer, unless that is meant to change', async () => {
    const site = await startSite({ environment: { COFFER_ISSUER: 'https://a.example' } })
    const { data } = site
    await site.stop()
    const moved = { data, environment: { COFFER_ISSUER: 'https://b.example' } }
    const failure = await startSite(moved).then(
      () => 'started',
      (error: Error) => error.message,
    )
    expect(failure).to.contain('https://a.example').and.contain('--accept-issuer-change')
    const accepted = await startSite({ ...moved, flags: { acceptIssuerChange: true } })
    expect(accepted.issuer).to.equal('https://b.example')
    await accepted.stop()
    const settled = await startSite(moved)
    await settled.stop()
    await site.remove()
  })

  it('can be served again after a failed start', async () => {
    const site = await startSite({ environment: { COFFER_ISSUER: 'https://a.example' } })
    const { data } = site
    await site.stop()
    const wrong = { data, environment: { COFFER_ISSUER: 'https://b.example' } }
    await startSite(wrong).catch(() => {})
    const again = await startSite({ data, environment: { COFFER_ISSUER: 'https://a.example' } })
    await again.remove()
    await site.remove()
  })
})

describe('the server', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let site: Running
  beforeEach(async () => {
    site = await startSite({ environment: { COFFER_SHUTDOWN_GRACE: '25' } })
  })
  afterEach(() => site.remove())
  const port = () => Number(new URL(site.issuer).port)
  const file = (name: string) => new URL(`/files/${name}`, site.issuer)

  it('lets a stream of changes that comes again on its connection be the last one', async () => {
    const { access_token } = await site.tokens()
    const agent = new Agent({ keepAlive: true, ca: site.ca })
    const headers = { Authorization: `Bearer ${access_token}` }
    const connections: (string | undefined)[] = []
    const open = (opened: () => void) => {
      const asked = request(new URL('/changes', site.issuer), { agent, headers }, (response) => {
        connections.push(response.headers.connection)
        response.once('data', opened).once('end', () => setImmediate(open, () => {}))
      })
      asked.on('error', () => {}).end()
    }
    await new Promise<void>((resolve) => open(resolve))
    await site.stop()
    agent.destroy()
    expect(connections).to.deep.equal(['keep-alive', 'close'])
  })

  it('finishes an upload that is under way when it stops', async () => {
    const { access_token } = await site.tokens()
    const body = Buffer.alloc(1_000_000, 'x')
    const upload = request(file('slow'), {
      method: 'PUT',
      ca: site.ca,
      headers: {
        Authorization: `Bearer ${access_token}`,
        'Content-Length': body.length,
        Expect: '100-continue',
      },
    })
    const answered = once(upload, 'response')
    upload.flushHeaders()
    await once(upload, 'continue')
    upload.write(body.subarray(0, 500_000))
    const stopped = site.stop()
    upload.end(body.subarray(500_000))
    const [response] = await answered
    response.resume()
    expect(response.statusCode).to.equal(201)
    await stopped
    const { data } = site
    const again = await startSite({ data })
    const answer = await supertest
      .agent(again.issuer, { ca: again.ca })
      .head('/files/slow')
      .set('Authorization', `Bearer ${access_token}`)
    expect([200, 401]).to.contain(answer.status)
    await again.stop()
  })

  it('does not wait for idle connections when it stops', async () => {
    const socket = await idle()
    const began = performance.now()
    await site.stop()
    expect(performance.now() - began).to.be.below(20_000)
    socket.destroy()
  })

  it('does not wait for streams of changes when it stops', async () => {
    const { access_token } = await site.tokens()
    const stream = request(new URL('/changes', site.issuer), {
      ca: site.ca,
      headers: { Authorization: `Bearer ${access_token}`, Accept: 'text/event-stream' },
    })
    stream.end()
    const [response] = await once(stream, 'response')
    expect(response.headers['content-type']).to.match(/^text\/event-stream/)
    response.resume()
    const ended = once(response, 'end')
    const began = performance.now()
    await site.stop()
    await ended
    expect(performance.now() - began).to.be.below(20_000)
  })

  it('serves a certificate of the owner when it is given one', async () => {
    const own = tlsFiles(site.data).server
    const environment = { COFFER_TLS_CERT: own.certificate, COFFER_TLS_KEY: own.key }
    const parent = await temporaryDirectory('own')
    const other = await startSite({ data: join(parent, 'data'), environment, ca: site.ca })
    expect((await other.browser().get('/login')).status).to.equal(200)
    expect(other.printed.join()).to.not.contain('authority')
    await other.stop()
    await removeDirectory(parent)
  })

  it('says which file of a certificate cannot be read', async () => {
    const environment = { COFFER_TLS_CERT: '/nowhere/cert.pem', COFFER_TLS_KEY: '/nowhere/key.pem' }
    const failure = await startSite({ environment, ca: '' }).then(
      () => 'started',
      (error: Error) => error.message,
    )
    expect(failure).to.contain('/nowhere/cert.pem')
  })

  it('cuts what takes longer than the grace', async () => {
    const hasty = await startSite({ environment: { COFFER_SHUTDOWN_GRACE: '0' } })
    const { access_token } = await hasty.tokens()
    const upload = request(new URL('/files/never', hasty.issuer), {
      method: 'PUT',
      ca: hasty.ca,
      headers: {
        Authorization: `Bearer ${access_token}`,
        'Content-Length': 10,
        Expect: '100-continue',
      },
    })
    const failed = once(upload, 'error')
    upload.flushHeaders()
    await once(upload, 'continue')
    await hasty.stop()
    await failed
    await hasty.remove()
  })

  async function openChannel(at: Running): Promise<{ socket: TLSSocket; token: string }> {
    const { access_token } = await at.tokens()
    const asked = request(new URL('/batch', at.issuer), {
      ca: at.ca,
      agent: false,
      headers: {
        Authorization: `Bearer ${access_token}`,
        Connection: 'Upgrade',
        Upgrade: CHANNEL_PROTOCOL,
      },
    })
    asked.end()
    const [, socket] = await once(asked, 'upgrade')
    return { socket, token: access_token }
  }

  it('asks channels to end when it stops, and answers what they send until then', async () => {
    const stopping = await startSite()
    const { socket } = await openChannel(stopping)
    socket.allowHalfOpen = true
    const reader = new FrameReader(socket)
    const stopped = stopping.stop()
    expect((await reader.next())?.header).to.deep.equal({ outcome: 'closing' })
    socket.end(encodeFrame({ op: 'root' }))
    expect((await reader.next())?.header).to.include({ outcome: 'done' })
    expect(await reader.next()).to.equal(undefined)
    await stopped
    await stopping.remove()
  })

  it('cuts a channel that does not end within the grace', async () => {
    const hasty = await startSite({ environment: { COFFER_SHUTDOWN_GRACE: '0' } })
    const { socket } = await openChannel(hasty)
    const closed = once(socket.resume(), 'close')
    await hasty.stop()
    await closed
    await hasty.remove()
  })

  it('lets nobody into a channel with a token that does not count', async () => {
    const said = await new Promise((resolve) => {
      const fields = { Connection: 'Upgrade', Upgrade: CHANNEL_PROTOCOL }
      const headers = { Authorization: 'Bearer x', ...fields }
      request(new URL('/batch', site.issuer), { ca: site.ca, agent: false, headers }, (answer) => {
        answer.resume()
        resolve([answer.statusCode, answer.headers.connection, answer.headers['www-authenticate']])
      })
        .once('upgrade', resolve)
        .end()
    })
    expect(said).to.have.nested.property('[0]', 401)
    expect(said).to.have.nested.property('[1]', 'close')
    expect(said)
      .to.have.nested.property('[2]')
      .that.matches(/invalid_token/)
  })

  it('answers several requests on one connection', async () => {
    const socket = await idle()
    socket.write('GET /coffer.svg HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const [answer] = await once(socket, 'data')
    expect(String(answer)).to.match(/^HTTP\/1\.1 200/)
    socket.destroy()
  })

  it('takes content that comes after a request whose upgrade it ignores, and ends the connection', async () => {
    const socket = await idle()
    const form = 'grant_type=none&client_id=nobody'
    const fields = `Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}`
    socket.write(`POST /token HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n\r\n`)
    socket.write(form)
    const answer = Buffer.concat(await socket.toArray()).toString()
    expect(answer).to.match(/^HTTP\/1\.1 400 .*\r\nConnection: close\r\n.*unsupported_grant_type/s)
  })

  it('lets one address have a quarter of the connections, and no more', async () => {
    const environment = { COFFER_MAX_CONNECTIONS: '8' }
    const small = await startSite({ environment })
    const open = () => {
      const socket = connect(Number(new URL(small.issuer).port), '127.0.0.1')
      socket.on('error', () => {})
      return socket
    }
    const [first, second, third] = [open(), open(), open()]
    await once(third, 'close')
    first.destroy()
    await once(first, 'close')
    expect((await small.browser().get('/login')).status).to.equal(200)
    second.destroy()
    await small.remove()
  })

  it('closes a connection that speaks no TLS', async () => {
    const socket = connect(port(), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', () => {})
    await once(socket, 'close')
    expect(Buffer.concat(chunks).toString()).to.not.contain('HTTP/1.1 200')
  })

  it('answers what it does not know by a page or by a problem, with a request id', async () => {
    const page = await site.browser().get('/nothing')
    expect(page.status).to.equal(404)
    expect(page.text).to.contain(page.headers['x-request-id'])
    const problem = await supertest
      .agent(site.issuer, { ca: site.ca })
      .get('/nothing')
      .set('Accept', 'application/json')
    expect(problem.headers['content-type']).to.match(/^application\/problem\+json/)
    expect(JSON.parse(problem.text)).to.include({
      status: 404,
      request_id: problem.headers['x-request-id'],
    })
  })

  const broken: [title: string, type: string, body: string, status: number][] = [
    ['a form that is too large', 'application/x-www-form-urlencoded', 'a'.repeat(100_000), 413],
    ['a form with too many fields', 'application/x-www-form-urlencoded', 'a=1&'.repeat(1000), 413],
    [
      'a form in a character set of its own',
      'application/x-www-form-urlencoded; charset=foo',
      'a=1',
      415,
    ],
    ['no form at all', 'text/plain', 'a=1', 403],
  ]
  for (const [title, type, body, status] of broken) {
    it(`refuses ${title}`, async () => {
      const answer = await site.browser().post('/login').set('Content-Type', type).send(body)
      expect(answer.status).to.equal(status)
      expect(answer.text).to.not.contain('    at ').and.not.contain('node_modules')
    })
  }

  async function idle(): Promise<TLSSocket> {
    const socket = connectTls({
      port: port(),
      host: '127.0.0.1',
      ca: site.ca,
      servername: 'localhost',
    })
    await once(socket, 'secureConnect')
    socket.write('GET /coffer.svg HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(socket, 'data')
    return socket
  }
})
