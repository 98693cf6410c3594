import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { type FileApi, fileApi } from '../support/files.js'
import { login, SIGNING_IN_MILLISECONDS } from '../support/login.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

/** The full run is COFFER_LOAD_SECONDS=120. */
const SECONDS = Number(process.env.COFFER_LOAD_SECONDS ?? 5)
const CLIENTS = 200
const IDLE = 2000
const SLOW = 100
/** Of one round. */
const REQUESTS = 9
const MEBIBYTE = 2 ** 20
/** Milliseconds that a connection is kept open on which nothing is asked (server/connections/listen.ts). */
const KEPT_ALIVE = 75_000
/** Contents that stay open without a user, and what is open in an idle server. */
const SPARE_DESCRIPTORS = 350

/** What the server holds, by proc(5). */
async function held({ pid }: TestServer): Promise<{ memory: number; descriptors: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const [, kibibytes = ''] = /VmRSS:\s+(\d+) kB/.exec(status) ?? []
  return {
    memory: Number(kibibytes) * 1024,
    descriptors: (await readdir(`/proc/${pid}/fd`)).length,
  }
}

/** One client's round: a directory of its own, files small and large, changes, listings, and all of it away again. */
async function work(api: FileApi, directory: string, round: number): Promise<void> {
  const ask = async (status: number, ...sent: Parameters<FileApi['send']>): Promise<Buffer> => {
    const answer = await api.send(...sent)
    const where = `${sent[0]} ${sent[1]}: ${answer.status} ${answer.body.subarray(0, 300)}`
    if (answer.status !== status) throw new Error(where)
    return answer.body
  }
  const content = Buffer.alloc([0, 100, 4096, 100_000, 700_000][round % 5] ?? 0, `${directory}`)
  const [file, moved] = [`${directory}/f`, `${directory}/g`]
  const bytes = { 'Content-Type': 'application/octet-stream' }
  await ask(201, 'POST', directory)
  await ask(201, 'PUT', file, { body: content })
  await ask(204, 'PATCH', `${file}?append`, { body: 'end', headers: bytes })
  const back = await ask(200, 'GET', file)
  if (!back.equals(Buffer.concat([content, Buffer.from('end')]))) throw new Error(`${file} differs`)
  await ask(201, 'MOVE', file, { headers: { Destination: moved } })
  if (JSON.parse(String(await ask(200, 'GET', directory))).length !== 1) throw new Error(directory)
  await ask(206, 'GET', moved, { headers: { Range: 'bytes=-3' } })
  await ask(204, 'DELETE', moved)
  await ask(204, 'DELETE', directory)
}

describe('the server under load', () => {
  let server: TestServer
  let token = ''
  const sockets: TLSSocket[] = []
  before(async function () {
    this.timeout(SIGNING_IN_MILLISECONDS)
    server = await startServer({ env: { COFFER_MAX_CONNECTIONS: '20000' } })
    token = (await login(server)).access_token
  })
  after(async () => {
    for (const socket of sockets) socket.destroy()
    await server?.remove()
  })

  async function opened(): Promise<TLSSocket> {
    const { port, hostname } = new URL(server.issuer)
    const socket = connect({ host: '127.0.0.1', servername: hostname, port: +port, ca: server.ca })
    sockets.push(socket)
    await once(socket, 'secureConnect')
    socket.on('error', () => {})
    return socket
  }

  /** How long those lived that were sent away though they had been answered. */
  const lives: number[] = []

  /** One that asks for nothing more; who has asked for nothing at all may not stay until a busy machine has opened them all. */
  async function idle(): Promise<void> {
    const socket = await opened()
    const began = performance.now()
    socket.once('close', () => lives.push(performance.now() - began))
    const head = `Host: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`
    socket.write(`HEAD /files/ HTTP/1.1\r\n${head}`)
    await once(socket, 'data')
  }

  it(`serves ${CLIENTS} clients for ${SECONDS} s without an error, in bounded memory and descriptors`, async () => {
    const idle = await held(server)
    const end = Date.now() + SECONDS * 1000
    let requests = 0
    let most = idle
    let isDone = false
    const watch = async (): Promise<void> => {
      for (; !isDone; await delay(250)) {
        const now = await held(server)
        most = {
          memory: Math.max(most.memory, now.memory),
          descriptors: Math.max(most.descriptors, now.descriptors),
        }
      }
    }
    const client = async (number: number): Promise<void> => {
      const api = fileApi(server, token)
      try {
        // at least once, however slow the machine
        for (let round = 0; round === 0 || Date.now() < end; round++) {
          await work(api, `/files/client-${number}`, number + round)
          requests += REQUESTS
        }
      } finally {
        api.close()
      }
    }
    const watching = watch()
    const outcomes = await Promise.allSettled(Array.from({ length: CLIENTS }, (_, i) => client(i)))
    isDone = true
    await watching
    const failed = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    expect(failed.map(String)).to.deep.equal([])
    expect(requests).to.be.at.least(REQUESTS * CLIENTS)
    expect(most.descriptors).to.be.within(CLIENTS, 2 * CLIENTS + SPARE_DESCRIPTORS)
    expect(most.memory / MEBIBYTE).to.be.below(idle.memory / MEBIBYTE + 512)
    await until('the descriptors are closed again', async () => {
      return (await held(server)).descriptors < idle.descriptors + SPARE_DESCRIPTORS
    })
    expect(server.log()).to.not.match(/"level":"(error|fatal)"/)
  }).timeout(120_000 + SECONDS * 2000)

  it(`answers others beside ${IDLE} idle connections and ${SLOW} that send a byte a second`, async () => {
    for (let count = 0; count < IDLE; count += 100)
      await Promise.all(Array.from({ length: 100 }, idle))
    const slow = await Promise.all(Array.from({ length: SLOW }, opened))
    const head = `Host: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: 6000\r\n\r\n`
    slow.forEach((socket, index) => {
      // half of them are slow with their headers already, and sent away after a while
      if (index % 2 === 0) socket.write(`PUT /files/slow-${index} HTTP/1.1\r\n${head}`)
    })
    const text = `GET /files/ HTTP/1.1\r\n${head}`
    let sent = 0
    const timer = setInterval(() => {
      slow.forEach((socket, index) => {
        socket.write(index % 2 === 0 ? 'x' : text.charAt(sent))
      })
      sent++
    }, 1000)
    const api = fileApi(server, token)
    try {
      await until('the slow ones are under way', async () => sent >= 2)
      const times: number[] = []
      for (let round = 0; round < 200; round++) {
        const began = performance.now()
        const path = '/files/quick'
        const put = await api.send('PUT', path, { body: `round ${round}` })
        const { body } = await api.send('GET', path)
        times.push(performance.now() - began)
        expect([put.status < 300, String(body)]).to.deep.equal([true, `round ${round}`])
      }
      times.sort((a, b) => a - b)
      expect(times[100], 'median of a PUT and a GET, in ms').to.be.below(500)
      // A disk that is busy with something else takes seconds for one of them now and then.
      expect(times[190], 'the slower ones, in ms').to.be.below(5000)
      expect(lives.filter((milliseconds) => milliseconds < KEPT_ALIVE)).to.deep.equal([])
      expect(slow.filter(({ destroyed }, index) => destroyed && index % 2 === 0)).to.have.length(0)
      expect((await api.send('HEAD', '/files/slow-0')).status).to.equal(404)
    } finally {
      clearInterval(timer)
      api.close()
      for (const socket of sockets) socket.destroy()
    }
    await until('the descriptors are closed again', async () => {
      return (await held(server)).descriptors < SPARE_DESCRIPTORS
    })
  }).timeout(180_000)
})
