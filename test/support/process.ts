import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { whileWaiting } from './waiting.js'

/** The checkout, without a trailing slash. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string | Buffer
  /** After this the program is killed and the run fails. */
  readonly timeoutMilliseconds?: number
}

export interface Outcome {
  readonly status: number | string
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, whatever its exit status: a signal's name where one ended it. */
export async function outcome(
  program: string,
  parameters: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const child = spawn(program, parameters, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMilliseconds ?? 120_000,
    killSignal: 'SIGKILL',
  })
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
  child.stdin.on('error', () => {}) // the program need not read its input
  child.stdin.end(options.input)
  const closed = once(child, 'close')
  const printed = () => Buffer.concat([...output, ...errors]).toString()
  // who gives a program its time knows that it takes long
  const [code, signal] = (await (options.timeoutMilliseconds === undefined
    ? whileWaiting(() => `the end of ${[program, ...parameters].join(' ')}\n${printed()}`, closed)
    : closed)) as [number | null, NodeJS.Signals | null]
  return {
    status: code ?? signal ?? 'unknown',
    stdout: Buffer.concat(output).toString(),
    stderr: Buffer.concat(errors).toString(),
  }
}

/** Runs a program that has to succeed; answers what it printed. */
export async function run(
  program: string,
  parameters: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await outcome(program, parameters, options)
  if (status === 0) return stdout
  throw new Error(
    `"${[program, ...parameters].join(' ')}" ended with ${status}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`,
  )
}

/** A child that goes on running, its output gathered. */
export interface Running {
  readonly child: ChildProcess
  readonly pid: number
  /** Settles when it has ended. */
  readonly ended: Promise<void>
  /** Everything printed so far, standard output and error in the order they came. */
  log(): string
  /** Settles with the match once the output so far matches; fails when the child ends before, or time is up. */
  printed(pattern: RegExp, timeoutMilliseconds?: number): Promise<RegExpExecArray>
  /** Sends the signal and waits for the end. Nothing happens when it has ended already. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** No test run may leave a process behind, even when a hook is skipped. */
const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

export function start(
  program: string,
  parameters: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Running {
  const child = spawn(program, parameters, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  let ended: string | undefined
  const listeners = new Set<() => void>()
  const told = (): void => {
    for (const listener of [...listeners]) listener()
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      told()
    })
  }
  alive.add(child)
  const over = new Promise<void>((resolve) => {
    const end = (how: string): void => {
      alive.delete(child)
      ended = how
      told()
      resolve()
    }
    child.once('close', (code, signal) => end(String(code ?? signal)))
    child.once('error', (error) => end(error.message))
  })

  return {
    child,
    pid: child.pid ?? -1,
    ended: over,
    log: () => text,
    printed: (pattern, timeoutMilliseconds = 60_000) => {
      const matched = new Promise<RegExpExecArray>((resolve, reject) => {
        const settle = (action: () => void): void => {
          clearTimeout(timer)
          listeners.delete(look)
          action()
        }
        const fail = (why: string): void =>
          settle(() =>
            reject(new Error(`${program} ${why} before ${pattern} was printed:\n${text}`)),
          )
        const look = (): void => {
          const match = pattern.exec(text)
          if (match !== null) settle(() => resolve(match))
          else if (ended !== undefined) fail(`ended (${ended})`)
        }
        const timer = setTimeout(() => fail('ran out of time'), timeoutMilliseconds)
        listeners.add(look)
        look()
      })
      return whileWaiting(() => `${pattern} from ${program}, which printed:\n${text}`, matched)
    },
    stop: async (signal = 'SIGTERM') => {
      if (ended === undefined) child.kill(signal)
      await whileWaiting(() => `the end of ${program}, which printed:\n${text}`, over)
    },
  }
}
