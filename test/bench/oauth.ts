// Coffer's authorization server (durable, over TLS) against npm's oidc-provider (in memory, over TLS), in alternating rounds, beside
// what TLS, HTTP and a signature cost in Node (oauth-bare.ts); then what a flood of logins does to requests for small files.
//
//   make bench ONLY=oauth
//   node --import tsx test/bench/oauth.ts sources     without a build
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { login } from '../support/login.js'
import { type Running, root, run, start } from '../support/process.js'
import { type Form, program } from '../support/program.js'
import { startServer } from '../support/server.js'
import { type Connection, connection } from './connection.js'
import { loginFlood } from './login-flood.js'

/** Half as many leave two cores idle for a fifth of the time: generator, server and signing thread wait for each other. */
const CONNECTIONS = 32
const ROUNDS = 3
const SECONDS = 2

interface Peer {
  readonly name: string
  readonly pid: number
  readonly connections: readonly Connection[]
  readonly basic: string
  /** A token to introspect, made when it is wanted: the store in memory forgets the oldest. */
  readonly fresh: () => Promise<string>
  introspected: string
  readonly client: string
  /** One chain of refresh tokens for each connection. */
  readonly refreshTokens: string[]
}

type Row = (peer: Peer, index: number) => Promise<unknown>

const FORM = 'Content-Type: application/x-www-form-urlencoded\r\n'

async function refresh(peer: Peer, index: number): Promise<void> {
  const token = peer.refreshTokens[index]
  const form = `grant_type=refresh_token&client_id=${peer.client}&refresh_token=${token}`
  const answer = await peer.connections[index]?.send('POST', '/token', FORM, form)
  peer.refreshTokens[index] = JSON.parse(answer ?? '').refresh_token
}

async function clientCredentials(peer: Peer, index: number): Promise<void> {
  const form = 'grant_type=client_credentials&scope=file.read'
  const answer = await peer.connections[index]?.send('POST', '/token', FORM + peer.basic, form)
  if (!answer?.startsWith('{"access_token":"')) throw new Error(`${peer.name}: ${answer}`)
}

async function introspect(peer: Peer, index: number): Promise<void> {
  const form = `token=${peer.introspected}`
  const path = peer.name === 'oidc-provider' ? '/token/introspection' : '/introspect'
  const answer = await peer.connections[index]?.send('POST', path, FORM + peer.basic, form)
  if (!answer?.startsWith('{"active":true')) throw new Error(`${peer.name}: ${answer}`)
}

const ROWS: Readonly<Record<string, Row>> = {
  'oauth client_credentials': clientCredentials,
  'oauth refresh, rotating': refresh,
  'oauth introspection': introspect,
}

interface Measured {
  readonly rate: number
  /** Processor time of the server for one request; load of other programs hardly shows in it. */
  readonly microseconds: number
}

/** In clock ticks of 10 ms (proc(5)). */
function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function measure(peer: Peer, row: Row, seconds: number): Promise<Measured> {
  const used = processorSeconds(peer.pid)
  const began = performance.now()
  const until = began + seconds * 1000
  let count = 0
  await Promise.all(
    peer.connections.map(async (_, index) => {
      while (performance.now() < until) {
        await row(peer, index)
        count++
      }
    }),
  )
  const elapsed = (performance.now() - began) / 1000
  return {
    rate: count / elapsed,
    microseconds: ((processorSeconds(peer.pid) - used) / count) * 1e6,
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

const basicField = (id: string, secret: string): string =>
  `Authorization: Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}\r\n`

function connections(issuer: string, ca: string): Promise<Connection[]> {
  return Promise.all(Array.from({ length: CONNECTIONS }, () => connection(issuer, ca)))
}

async function issued(connection: Connection | undefined, basic: string): Promise<string> {
  const form = 'grant_type=client_credentials&scope=file.read'
  return JSON.parse((await connection?.send('POST', '/token', FORM + basic, form)) ?? '')
    .access_token
}

const form: Form = process.argv.includes('sources') ? 'sources' : 'built'
const unlimited = { form, env: { COFFER_LOGIN_FAILURES: '1000000' } }
const server = await startServer(unlimited)
const elsewhere = await startServer(unlimited)
const secret = randomBytes(32).toString('base64url')
const startScript = (name: string, ...parameters: readonly string[]): Running => {
  const script = fileURLToPath(new URL(name, import.meta.url))
  const env = { NODE_ENV: 'production' }
  return start(process.execPath, ['--import', 'tsx', script, ...parameters], { env })
}
const other = startScript('oauth-peer.ts', secret, `${CONNECTIONS}`)
const bare = startScript('oauth-bare.ts')

async function coffer(): Promise<Peer> {
  const added = await run(
    process.execPath,
    [
      ...program('server', form),
      ...['client', 'add', 'bench', '--auth', 'client_secret_basic', '--introspects'],
      ...['--grant', 'client_credentials', '--scope', 'file.read'],
    ],
    { cwd: root, env: { COFFER_DATA: server.data } },
  )
  const [, id = ''] = /client_id +(\S+)/.exec(added) ?? []
  const [, clientSecret = ''] = /client_secret +(\S+)/.exec(added) ?? []
  const basic = basicField(id, clientSecret)
  const refreshTokens: string[] = []
  while (refreshTokens.length < CONNECTIONS) {
    refreshTokens.push((await login(server, 'offline_access file.read')).refresh_token ?? '')
  }
  const open = await connections(server.issuer, server.ca)
  const fresh = () => issued(open[0], basic)
  const { pid } = server
  return {
    name: 'coffer',
    pid,
    connections: open,
    basic,
    fresh,
    introspected: '',
    client: 'coffer',
    refreshTokens,
  }
}

async function oidcProvider(): Promise<Peer> {
  const [, ready = ''] = await other.printed(/ready (.*)\n/)
  const { issuer, ca, refresh_tokens } = JSON.parse(ready)
  const open = await connections(issuer, ca)
  const fresh = () => issued(open[0], basicField('opaque', secret))
  return {
    ...{ name: 'oidc-provider', pid: other.pid, connections: open, client: 'native' },
    ...{
      basic: basicField('service', secret),
      fresh,
      introspected: '',
      refreshTokens: refresh_tokens,
    },
  }
}

async function bareNode(): Promise<Peer> {
  const [, ready = ''] = await bare.printed(/ready (.*)\n/)
  const { issuer, ca } = JSON.parse(ready)
  return {
    ...{ name: 'bare Node', pid: bare.pid, connections: await connections(issuer, ca) },
    ...{ basic: basicField('nobody', secret), client: 'nobody', introspected: 'x' },
    ...{ fresh: async () => 'x', refreshTokens: new Array<string>(CONNECTIONS).fill('again') },
  }
}

const line = (cells: readonly string[]): void => {
  const [first = '', ...rest] = cells
  process.stdout.write(`${first.padEnd(32)}${rest.map((cell) => cell.padStart(18)).join('')}\n`)
}

try {
  const peers = [await coffer(), await oidcProvider(), await bareNode()]
  line([
    '',
    ...peers.map(({ name }) => `${name} /s`),
    'ratio',
    ...peers.map(({ name }) => `${name} µs`),
    'ratio of CPU',
  ])
  for (const [name, row] of Object.entries(ROWS)) {
    for (const peer of peers) {
      peer.introspected = await peer.fresh()
      await measure(peer, row, SECONDS)
    }
    const rounds = peers.map(() => [] as Measured[])
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, peer] of peers.entries())
        rounds[index]?.push(await measure(peer, row, SECONDS))
    }
    const rates = rounds.map((each) => median(each.map(({ rate }) => rate)))
    const costs = rounds.map((each) => median(each.map(({ microseconds }) => microseconds)))
    const [ours = 0, theirs = 0] = rates
    const [ourCost = 0, theirCost = 0] = costs
    line([
      name,
      ...rates.map((rate) => rate.toFixed(0)),
      `${(ours / theirs).toFixed(2)}×`,
      ...costs.map((cost) => cost.toFixed(0)),
      `${(theirCost / ourCost).toFixed(2)}×`,
    ])
  }
  for (const peer of peers) for (const each of peer.connections) each.close()
  await loginFlood(server, elsewhere, line)
} finally {
  await bare.stop()
  await other.stop()
  await server.remove()
  await elsewhere.remove()
}
