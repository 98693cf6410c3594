import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { type FileApi, fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { startServer, type TestServer } from '../support/server.js'

/** COFFER_LOAD_SECONDS=120 for the two minutes that a release is held against. */
const SECONDS = Number(process.env.COFFER_LOAD_SECONDS ?? 10)
const CLIENTS = 200
const IDLE = 300
const SLOW = 20
const SMALL = Buffer.alloc(4096, 's')
const MIDDLING = Buffer.alloc(200_000, 'm')
const MEGABYTE = 2 ** 20
const MAX_RESIDENT_BYTES = 600 * MEGABYTE
/** Beside the clients' connections. */
const MAX_OTHER_DESCRIPTORS = 400

describe(`${CLIENTS} clients for ${SECONDS} seconds`, () => {
  let server: TestServer
  let token: string

  before(async () => {
    server = await startServer({ env: { COFFER_MAX_CONNECTIONS: '8000' } })
    token = (await login(server)).access_token
  })
  after(() => server?.remove())

  const residentBytes = (): number => {
    const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
  }
  const descriptors = (): number => readdirSync(`/proc/${server.pid}/fd`).length

  /** One client's work: every answer must be the right one. */
  async function work(api: FileApi, number: number, until: number): Promise<number> {
    const directory = `/files/c${number}`
    const process_ = { 'Coffer-Durability': 'process' }
    const expectStatus = async (status: number, method: string, path: string, body?: Buffer) => {
      const answer = await api.send(method, path, { headers: process_, ...(body && { body }) })
      expect(answer.status, `${method} ${path}: ${answer.body.subarray(0, 200)}`).to.equal(status)
      return answer.body
    }
    let done = 0
    for (; Date.now() < until; done += 6) {
      const content = done % 5 === 0 ? MIDDLING : SMALL
      await expectStatus(201, 'PUT', `${directory}/new`, content)
      const came = await expectStatus(200, 'GET', `${directory}/new`)
      expect(came.equals(content)).to.equal(true)
      const moved = await api.send('MOVE', `${directory}/new`, {
        headers: { ...process_, Destination: `${directory}/moved` },
      })
      expect(moved.status).to.equal(201)
      const listed = JSON.parse(String(await expectStatus(200, 'GET', directory)))
      expect(listed.map(({ name }: { name: string }) => name)).to.deep.equal(['moved'])
      await expectStatus(200, 'HEAD', `${directory}/moved`)
      await expectStatus(204, 'DELETE', `${directory}/moved`)
    }
    return done
  }

  it('are all answered rightly, beside slow and idle ones, in bounded memory and descriptors', async () => {
    const { port } = new URL(server.issuer)
    const open = async (): Promise<TLSSocket> => {
      const options = { host: '127.0.0.1', servername: 'localhost', port: Number(port) }
      const socket = connect({ ...options, ca: server.ca })
      socket.on('error', () => {}) // the server may close it when it likes
      await once(socket, 'secureConnect')
      return socket
    }
    const others: TLSSocket[] = []
    while (others.length < IDLE + SLOW) others.push(await open())
    const head = `PUT /files/slow HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: Bearer ${token}\r\n`
    const slow = others.slice(0, SLOW)
    for (const socket of slow) socket.write(`${head}Content-Length: 1000000\r\n\r\n`)
    const dripping = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write('x')
    }, 1000)

    let mostBytes = 0
    let mostDescriptors = 0
    const watching = setInterval(() => {
      mostBytes = Math.max(mostBytes, residentBytes())
      mostDescriptors = Math.max(mostDescriptors, descriptors())
    }, 250)
    const apis = Array.from({ length: CLIENTS }, () => fileApi(server, token))
    try {
      // connected, and each in a directory of its own, before the time counts
      const made = await Promise.all(
        apis.map((api, number) => api.send('POST', `/files/c${number}`)),
      )
      for (const { status } of made) expect(status).to.equal(201)
      const until = Date.now() + SECONDS * 1000
      const done = await Promise.all(apis.map((api, number) => work(api, number, until)))
      // nobody was kept out
      expect(Math.min(...done)).to.be.above(0)
      expect(mostBytes).to.be.within(1, MAX_RESIDENT_BYTES)
      expect(mostDescriptors).to.be.below(CLIENTS + IDLE + SLOW + MAX_OTHER_DESCRIPTORS)
    } finally {
      clearInterval(dripping)
      clearInterval(watching)
      for (const api of apis) api.close()
      for (const socket of others) socket.destroy()
    }
  }).timeout((SECONDS + 120) * 1000)
})
