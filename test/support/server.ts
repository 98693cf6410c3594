import { cp, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { removeDirectory, temporaryDirectory } from './directory.js'
import { ownPort } from './own-port.js'
import { type Running, root, start } from './process.js'
import { type Form, program } from './program.js'

export interface TestServer {
  readonly issuer: string
  readonly data: string
  /** The certificate authority that the server made, as a file and as text. */
  readonly caFile: string
  readonly ca: string
  readonly username: 'admin'
  readonly password: string
  readonly pid: number
  /** Everything it has printed since it was (re)started. */
  log(): string
  /** Ends it by a signal, keeping its data directory. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same data and the same port. */
  restart(env?: NodeJS.ProcessEnv): Promise<void>
  /** Ends it and removes its data. */
  remove(): Promise<void>
}

/** The certificates of the first one that this process has started: to make others takes a quarter of a start. */
let certificates: Promise<string> | undefined

async function keep(tls: string): Promise<string> {
  const kept = join(await temporaryDirectory('tls'), 'tls')
  await cp(tls, kept, { recursive: true })
  return kept
}

const PASSWORD = 'correct horse battery staple 9'

/**
 * The real server as a child process, with a port and a data directory of its own.
 * With `data`, the directory is the caller's and stays.
 */
export async function startServer(
  options: { readonly data?: string; readonly env?: NodeJS.ProcessEnv; readonly form?: Form } = {},
): Promise<TestServer> {
  const data = options.data ?? join(await temporaryDirectory('server'), 'data')
  const tls = join(data, 'tls')
  const isNew = options.data === undefined
  if (isNew && certificates !== undefined) {
    await mkdir(data, { mode: 0o700 })
    await cp(await certificates, tls, { recursive: true })
  }
  let running: Running
  let env: NodeJS.ProcessEnv = { COFFER_PORT: String(await ownPort()), ...options.env }

  async function launch(): Promise<string> {
    running = start(process.execPath, [...program('server', options.form), 'serve'], {
      cwd: root,
      env: {
        COFFER_DATA: data,
        COFFER_HOST: '127.0.0.1',
        COFFER_ADMIN_PASSWORD: PASSWORD,
        NODE_ENV: 'production',
        ...env,
      },
    })
    const [, issuer] = await running.printed(/Coffer is serving (https:\/\/[^\s"]+)/)
    if (issuer === undefined) throw new Error('the issuer line names no issuer')
    return issuer
  }

  const issuer = await launch()
  if (isNew) certificates ??= keep(tls)
  await certificates
  const caFile = join(tls, 'ca.pem')
  return {
    issuer,
    data,
    caFile,
    ca: await readFile(caFile, 'utf8'),
    username: 'admin',
    password: PASSWORD,
    get pid() {
      return running.pid
    },
    log: () => running.log(),
    stop: (signal) => running.stop(signal),
    restart: async (more) => {
      await running.stop()
      env = { ...env, ...more }
      await launch()
    },
    remove: async () => {
      await running.stop()
      if (isNew) await removeDirectory(join(data, '..'))
    },
  }
}
