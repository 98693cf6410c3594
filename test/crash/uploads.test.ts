import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { expect } from 'chai'
import { type FileApi, fileApi } from '../support/files.js'
import { login, SIGNING_IN_MILLISECONDS } from '../support/login.js'
import { outcome } from '../support/process.js'
import { program } from '../support/program.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

const CONTENT = randomBytes(6_000_000)
const BROKEN_OFF_AT = 4_000_000
const TUS = { 'Tus-Resumable': '1.0.0' }

describe('a resumable upload and kill -9', () => {
  let server: TestServer
  let token: string
  let api: FileApi

  before(async function () {
    this.timeout(SIGNING_IN_MILLISECONDS)
    server = await startServer()
    token = (await login(server)).access_token
    api = fileApi(server, token)
  })
  after(async () => {
    api?.close()
    await server?.remove()
  })

  async function crash(): Promise<void> {
    api.close()
    await server.stop('SIGKILL')
    await server.restart()
    api = fileApi(server, token)
  }

  async function begin(path: string, more: Record<string, string> = {}): Promise<string> {
    const headers = { ...TUS, 'Upload-Length': String(CONTENT.length), ...more }
    const made = await api.send('POST', path, { headers })
    expect(made.status, String(made.body)).to.equal(201)
    return String(made.headers.location)
  }

  async function offset(location: string): Promise<number> {
    const { status, headers } = await api.send('HEAD', location, { headers: TUS })
    expect(status).to.equal(200)
    return Number(headers['upload-offset'])
  }

  const goOn = (location: string, from: number) =>
    api.send('PATCH', location, {
      headers: {
        ...TUS,
        'Upload-Offset': String(from),
        'Content-Type': 'application/offset+octet-stream',
      },
      body: CONTENT.subarray(from),
    })

  /** Sends bytes of a PATCH that promises more, until they have reached the disk; the request stays open. */
  async function sendUntilStored(location: string): Promise<void> {
    const open = request(new URL(location, server.issuer), {
      method: 'PATCH',
      ca: server.ca,
      headers: {
        Authorization: `Bearer ${token}`,
        ...TUS,
        'Upload-Offset': '0',
        'Content-Type': 'application/offset+octet-stream',
        'Content-Length': CONTENT.length,
      },
    })
    open.on('error', () => {}) // the server is killed
    open.write(CONTENT.subarray(0, BROKEN_OFF_AT))
    await until('some of it is on the disk', async () => (await stored()) > 1_000_000)
  }

  async function stored(): Promise<number> {
    const content = join(server.data, 'content')
    const names = await readdir(content, { recursive: true })
    const sizes = await Promise.all(
      names.map(async (name) => {
        const found = await stat(join(content, name))
        return found.isFile() ? found.size : 0
      }),
    )
    return Math.max(0, ...sizes)
  }

  it('goes on where the bytes on the disk end, with what the first request said', async () => {
    const location = await begin('/files/large', { 'Coffer-Mode': '0600', 'If-None-Match': '*' })
    await sendUntilStored(location)
    await crash()
    expect((await api.send('HEAD', '/files/large')).status).to.equal(404)
    const reached = await offset(location)
    expect(reached).to.be.within(1_000_000, BROKEN_OFF_AT)
    expect((await goOn(location, reached)).status).to.equal(204)
    const { headers, body } = await api.send('GET', '/files/large')
    expect(body.equals(CONTENT)).to.equal(true)
    expect(JSON.parse(String(headers['coffer-attributes'])).mode).to.equal(0o600)
  }).timeout(60_000)

  it('still says after a crash that it was finished', async () => {
    const location = await begin('/files/finished')
    expect((await goOn(location, 0)).status).to.equal(204)
    await crash()
    expect(await offset(location)).to.equal(CONTENT.length)
    expect((await goOn(location, CONTENT.length)).status).to.equal(204)
  }).timeout(60_000)

  it('still holds the conditions of the first request', async () => {
    const location = await begin('/files/taken', { 'If-None-Match': '*' })
    await crash()
    expect((await api.send('PUT', '/files/taken', { body: 'first' })).status).to.equal(201)
    expect((await goOn(location, 0)).status).to.equal(412)
    expect(String((await api.send('GET', '/files/taken')).body)).to.equal('first')
  }).timeout(60_000)

  it('leaves metadata and content that agree: coffer-server fsck', async () => {
    await begin('/files/unfinished')
    await server.stop('SIGKILL')
    const { status, stdout, stderr } = await outcome(
      process.execPath,
      [...program('server'), 'fsck'],
      { env: { COFFER_DATA: server.data } },
    )
    expect(status, stdout + stderr).to.equal(0)
  }).timeout(60_000)
})
