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
 * How long requests for a small file take: at rest, while browsers try passwords without a pause, while as many forms a second are
 * refused before a password is hashed, and while both happen to another server of the same machine: that is what browsers and hashing
 * take of the processors that all of them share, and what is more than that is what forms take of the event loop.
 */
export async function loginFlood(
  server: TestServer,
  elsewhere: TestServer,
  line: Line,
): Promise<void> {
  const { access_token } = await login(server)
  const rest: Latency[] = []
  const flood: Latency[] = []
  const control: Latency[] = []
  const floodElsewhere: Latency[] = []
  const controlElsewhere: Latency[] = []
  line(['', 'p50 ms', 'p99 ms'])
  for (let round = 0; round < ROUNDS; round++) {
    rest.push(await latency(server, access_token))
    const latencyDuring = (attacked: TestServer, ...kind: readonly string[]) =>
      during(server, access_token, attacked, kind)
    const guesses = await latencyDuring(server, 'guess')
    flood.push(guesses.latency)
    const pace = guesses.eachSecond.toFixed(1)
    const refused = await latencyDuring(server, 'refused', pace)
    control.push(refused.latency)
    const guessesElsewhere = await latencyDuring(elsewhere, 'guess')
    floodElsewhere.push(guessesElsewhere.latency)
    const refusedElsewhere = await latencyDuring(elsewhere, 'refused', pace)
    controlElsewhere.push(refusedElsewhere.latency)
    show(line, 'small file, at rest', rest.at(-1))
    show(line, `${guesses.eachSecond.toFixed(0)} passwords/s`, guesses.latency)
    show(line, `${refused.eachSecond.toFixed(0)} refused forms/s`, refused.latency)
    const other = ' at another server'
    show(line, `passwords${other}`, guessesElsewhere.latency)
    show(line, `refused forms${other}`, refusedElsewhere.latency)
  }
  show(line, 'median at rest', median(rest))
  show(line, 'median, passwords', median(flood))
  show(line, 'median, refused forms', median(control))
  show(line, 'median, passwords elsewhere', median(floodElsewhere))
  show(line, 'median, refused forms elsewhere', median(controlElsewhere))
}

async function during(
  server: TestServer,
  token: string,
  attacked: TestServer,
  kind: readonly string[],
): Promise<{ readonly latency: Latency; readonly eachSecond: number }> {
  const script = fileURLToPath(new URL('login-visitors.ts', import.meta.url))
  const parameters = ['--import', 'tsx', script, attacked.issuer, attacked.caFile, ...kind]
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
