import { fileURLToPath } from 'node:url'
import { login } from '../support/login.js'
import { run, start } from '../support/process.js'
import type { TestServer } from '../support/server.js'

/** Each has all three, so that other work on the machine meets all of them. */
const ROUNDS = 5

type Line = (cells: readonly string[]) => void

/** Milliseconds of the median and of the slowest hundredth. */
interface Latency {
  readonly p50: number
  readonly p99: number
}

/**
 * How long requests for a small file take: at rest, while browsers try passwords without a pause, and while as many forms a second
 * are refused before a password is hashed. The difference of these two is what hashing does.
 */
export async function loginFlood(server: TestServer, line: Line): Promise<void> {
  const { access_token } = await login(server)
  const rest: Latency[] = []
  const flood: Latency[] = []
  const control: Latency[] = []
  line(['', 'p50 ms', 'p99 ms'])
  for (let round = 0; round < ROUNDS; round++) {
    rest.push(await latency(server, access_token))
    const guesses = await during(server, access_token, ['guess'])
    flood.push(guesses.latency)
    const refusals = ['refused', guesses.eachSecond.toFixed(1)]
    const refused = await during(server, access_token, refusals)
    control.push(refused.latency)
    show(line, 'small file, at rest', rest.at(-1))
    show(line, `${guesses.eachSecond.toFixed(0)} passwords/s`, guesses.latency)
    show(line, `${refused.eachSecond.toFixed(0)} refused forms/s`, refused.latency)
  }
  show(line, 'median at rest', median(rest))
  show(line, 'median, passwords', median(flood))
  show(line, 'median, refused forms', median(control))
}

async function during(
  server: TestServer,
  token: string,
  kind: readonly string[],
): Promise<{ readonly latency: Latency; readonly eachSecond: number }> {
  const script = fileURLToPath(new URL('login-visitors.ts', import.meta.url))
  const parameters = ['--import', 'tsx', script, server.issuer, server.caFile, ...kind]
  const visitors = start(process.execPath, parameters)
  try {
    await visitors.printed(/under way/)
    const began = performance.now()
    const measured = await latency(server, token)
    visitors.child.kill('SIGTERM')
    const [, sent] = await visitors.printed(/sent (\d+)/)
    return { latency: measured, eachSecond: Number(sent) / ((performance.now() - began) / 1000) }
  } finally {
    await visitors.stop('SIGKILL')
  }
}

async function latency({ issuer, caFile }: TestServer, token: string): Promise<Latency> {
  const script = fileURLToPath(new URL('file-latency.ts', import.meta.url))
  const parameters = ['--import', 'tsx', script, issuer, caFile]
  const printed = await run(process.execPath, parameters, { input: token })
  const [p50 = Number.NaN, p99 = Number.NaN] = printed.trim().split(' ').map(Number)
  return { p50, p99 }
}

function median(latencies: readonly Latency[]): Latency {
  const middle = (of: (latency: Latency) => number) =>
    latencies.map(of).sort((a, b) => a - b)[Math.floor(latencies.length / 2)] ?? Number.NaN
  return { p50: middle(({ p50 }) => p50), p99: middle(({ p99 }) => p99) }
}

function show(line: Line, name: string, latency: Latency | undefined): void {
  line([name, (latency?.p50 ?? Number.NaN).toFixed(2), (latency?.p99 ?? Number.NaN).toFixed(2)])
}
