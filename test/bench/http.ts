// The file API over TLS beside a bare Node server and nginx with the same files, in alternating rounds; then what they have no
// counterpart for. The bare one (bare-server.ts) shows what TLS and HTTP in Node cost by themselves.
//
//   make build && node --import tsx test/bench/http.ts [sources]
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeFrame } from '../../server/wire/frames.js'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { root, run, start } from '../support/process.js'
import { startServer } from '../support/server.js'
import { type Connection, connection } from './connection.js'
import { startNginx } from './nginx.js'

const form = process.argv.includes('sources') ? 'sources' : 'built'
const CONNECTIONS = 16
const ROUNDS = 3
const MILLISECONDS = 2000
const LARGE_MEGABYTES = Number(process.env.COFFER_BENCH_MEGABYTES ?? 1024)
const ENTRIES = Number(process.env.COFFER_BENCH_ENTRIES ?? 100_000)
const BATCH = 5000

interface Peer {
  readonly name: string
  readonly url: string
  readonly pid: number
  readonly prefix: string
  readonly fields: readonly string[]
}

interface Measured {
  readonly rate: number
  /** Seconds of the server's processor: other programs hardly show in it. */
  readonly processor: number
}

/** In clock ticks of 10 ms (proc(5)). */
function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '')
  const fields = stat.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function measured(pid: number, work: () => Promise<number>): Promise<Measured> {
  const began = performance.now()
  const used = processorSeconds(pid)
  const amount = await work()
  const seconds = (performance.now() - began) / 1000
  return { rate: amount / seconds, processor: (processorSeconds(pid) - used) / amount }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

function middle(rounds: readonly Measured[]): Measured {
  return {
    rate: median(rounds.map(({ rate }) => rate)),
    processor: median(rounds.map(({ processor }) => processor)),
  }
}

const line = (...cells: readonly string[]): void => {
  const [first = '', ...rest] = cells
  process.stdout.write(`${first.padEnd(30)}${rest.map((cell) => cell.padStart(13)).join('')}\n`)
}
/** Each is first once: who comes first pays for memory that a virtual machine's host took back meanwhile. */
const turn = <T>(all: readonly T[], by: number): readonly T[] => [
  ...all.slice(by),
  ...all.slice(0, by),
]
const micro = (seconds: number): string => (seconds * 1e6).toFixed(0)

const work = await temporaryDirectory('bench-files')
const server = await startServer({ data: join(work, 'data'), form })
const tls = join(server.data, 'tls')
const certificate = join(tls, 'server.pem')
const key = join(tls, 'server-key.pem')
const bareFiles = join(work, 'bare')
await mkdir(bareFiles)
const bare = start(process.execPath, [
  ...['--import', 'tsx', join(root, 'test/bench/bare-server.ts')],
  ...[bareFiles, certificate, key],
])
const [, barePort] = await bare.printed(/port (\d+)/)
const nginx = await startNginx(join(work, 'nginx'), { certificate, key, ca: server.caFile }).catch(
  async (error: unknown) => {
    await bare.stop()
    await server.remove()
    throw error
  },
)

try {
  const { access_token } = await login(server)
  const bearer = `Authorization: Bearer ${access_token}`
  const peers: readonly Peer[] = [
    { name: 'coffer', url: server.issuer, pid: server.pid, prefix: '/files', fields: [bearer] },
    {
      ...{ name: 'bare Node', url: `https://localhost:${barePort}`, pid: bare.pid },
      ...{ prefix: '', fields: [] },
    },
    { name: 'nginx', url: nginx.url, pid: nginx.pid, prefix: '', fields: [] },
  ]
  const large = join(work, 'large')
  const piece = randomBytes(2 ** 20)
  await writeFile(
    large,
    (function* () {
      for (let count = 0; count < LARGE_MEGABYTES; count++) yield piece
    })(),
  )
  const curl = (peer: Peer, ...more: string[]) =>
    run('curl', [
      ...['-sSf', '--cacert', server.caFile, '-o', '/dev/null'],
      ...peer.fields.flatMap((field) => ['-H', field]),
      ...more,
    ])
  const open = new Map<Peer, Connection[]>()
  for (const peer of peers) {
    const own: Connection[] = []
    while (own.length < CONNECTIONS) own.push(await connection(peer.url, server.ca))
    open.set(peer, own)
    const fields = peer.fields.map((field) => `${field}\r\n`).join('')
    await own[0]?.send('PUT', `${peer.prefix}/small`, fields, 'x'.repeat(4096))
  }

  async function getSmall(peer: Peer): Promise<number> {
    const fields = peer.fields.map((field) => `${field}\r\n`).join('')
    const until = performance.now() + MILLISECONDS
    let count = 0
    await Promise.all(
      (open.get(peer) ?? []).map(async (each) => {
        for (; performance.now() < until; count++)
          await each.send('GET', `${peer.prefix}/small`, fields)
      }),
    )
    return count
  }

  const rows: readonly (readonly [string, (peer: Peer) => Promise<number>])[] = [
    ['GET of 4 KiB (/s)', getSmall],
    [
      'upload, kill -9 safe (MB/s)',
      async (peer) => {
        const url = `${peer.url}${peer.prefix}/large`
        await curl(peer, '-H', 'Coffer-Durability: process', '-T', large, url)
        return LARGE_MEGABYTES
      },
    ],
    [
      'download (MB/s)',
      async (peer) => {
        await curl(peer, `${peer.url}${peer.prefix}/large`)
        return LARGE_MEGABYTES
      },
    ],
  ]
  const names = peers.map(({ name }) => name)
  line('', ...names, ...names.slice(1).map((name) => `to ${name}`), ...names.map(() => 'µs CPU'))
  for (const [name, row] of rows) {
    const rounds = peers.map(() => [] as Measured[])
    for (const peer of peers) await row(peer)
    for (let round = 0; round < ROUNDS; round++)
      for (const [index, peer] of turn([...peers.entries()], round))
        rounds[index]?.push(await measured(peer.pid, () => row(peer)))
    const all = rounds.map(middle)
    const [ours, ...others] = all
    line(
      name,
      ...all.map(({ rate }) => rate.toFixed(0)),
      ...others.map(({ rate }) => `${((ours?.rate ?? Number.NaN) / rate).toFixed(2)}×`),
      ...all.map(({ processor }) => micro(processor)),
    )
  }
  for (const own of open.values()) for (const each of own) each.close()

  const api = fileApi(server, access_token)
  const alone = async (name: string, work: () => Promise<number>): Promise<void> => {
    const { rate, processor } = await measured(server.pid, work)
    line(name, rate.toFixed(0), '', '', '', '', micro(processor))
  }
  const required = async (sent: ReturnType<typeof api.send>) => {
    const answer = await sent
    if (answer.status >= 300) throw new Error(`${answer.status} ${answer.body}`)
    return answer
  }
  await alone('upload, power safe (MB/s)', async () => {
    const [peer] = peers
    if (peer !== undefined) await curl(peer, '-T', large, `${peer.url}/files/large`)
    return LARGE_MEGABYTES
  })
  const frames = async (count: number, header: (index: number) => object, length = 0) => {
    const content = Buffer.alloc(length, 'x')
    const body = Array.from({ length: count }, (_, index) => encodeFrame(header(index), content))
    const headers = { 'Content-Type': 'application/vnd.coffer.batch' }
    return required(api.send('POST', '/batch', { headers, body: Buffer.concat(body) }))
  }
  const process_ = { 'Coffer-Durability': 'process' }
  await required(api.send('POST', '/files/each'))
  const each = (method: string) => async () => {
    const paths = Array.from({ length: 2000 }, (_, index) => `/files/each/f${index}`)
    const body = method === 'PUT' ? { body: 'x' } : {}
    const worker = async () => {
      for (let path = paths.pop(); path !== undefined; path = paths.pop())
        await required(api.send(method, path, { headers: process_, ...body }))
    }
    await Promise.all(Array.from({ length: 8 }, worker))
    return 2000
  }
  await alone('create, one request each (/s)', each('PUT'))
  await alone('delete, one request each (/s)', each('DELETE'))
  const made = await required(api.send('POST', '/files/many'))
  const { ino } = JSON.parse(made.body.toString())
  await alone('create by batch (/s)', async () => {
    for (let first = 0; first < ENTRIES; first += BATCH)
      await frames(Math.min(BATCH, ENTRIES - first), (index) => ({
        op: 'put',
        place: { directory: ino, name: `f${first + index}` },
        mode: 'create',
        length: 0,
      }))
    return ENTRIES
  })
  await alone(`list ${ENTRIES} (entries/s)`, async () => {
    const { body } = await required(api.send('GET', '/files/many'))
    const { length } = JSON.parse(body.toString())
    if (length !== ENTRIES) throw new Error(`${length} entries came`)
    return length
  })
  await alone('stat by batch (/s)', async () => {
    for (let round = 0; round < 4; round++)
      await frames(BATCH, (index) => ({ op: 'lookup', directory: ino, name: `f${index}` }))
    return 4 * BATCH
  })
  api.close()
} finally {
  await nginx.stop()
  await bare.stop()
  await server.remove()
  await removeDirectory(work)
}
