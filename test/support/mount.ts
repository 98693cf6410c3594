import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { statusCommand } from '../../client/commands/status.js'
import { clientConfig } from '../../client/config.js'
import type { MountStatus } from '../../client/mount/control.js'
import { removeDirectory, temporaryDirectory } from './directory.js'
import { logged } from './logged.js'
import { approve } from './login.js'
import { type Outcome, outcome, type Running, run, start } from './process.js'
import { type Form, program } from './program.js'
import type { TestServer } from './server.js'
import { until } from './until.js'

/** Somebody's machine: a home directory with the client's configuration in it, and the `coffer` command. */
export interface Machine {
  readonly home: string
  /** Runs `coffer …` to its end. */
  coffer(...parameters: string[]): Promise<Outcome>
  /** Starts `coffer …`. */
  start(...parameters: string[]): Running
  /** What `coffer status --json` says, by the same code in this process: tests ask often, and a program takes long to start. */
  status(): Promise<Status>
  /** Returns once the server has all that was written to what is mounted. */
  allSent(): Promise<void>
  /** Logs in, following the printed address as a browser would. */
  login(approval?: Approval, flags?: readonly string[]): Promise<void>
  /** Mounts in the background and answers the mount point; logs in first where that is needed. */
  mount(options?: MountSettings): Promise<Mount>
  /** Unmounts what is mounted and removes the home directory. */
  remove(): Promise<void>
}

export interface Status {
  readonly mounts: readonly MountStatus[]
  readonly logins: readonly { readonly server: string; readonly login: string }[]
  readonly damaged: readonly unknown[]
}

/** Opens the authorization URL, allows the access and follows the redirect to the client. */
export type Approval = (url: string) => Promise<void>

export interface MountSettings {
  readonly directory?: string
  readonly flags?: readonly string[]
  readonly approval?: Approval
}

export interface Mount {
  readonly directory: string
  /** What `coffer status --json` says of it. */
  status(): Promise<MountStatus>
  /** Settles once its log says so. */
  logged(text: string): Promise<true>
  /** The process that holds the mount. */
  pid(): Promise<number>
  unmount(): Promise<void>
}

/** What a mount answers whose process has ended, or (ECONNABORTED) is just ending. */
const STALE = new Set<string | undefined>(['ENOTCONN', 'ECONNABORTED'])

export async function machine(
  server: TestServer,
  settings: { readonly env?: NodeJS.ProcessEnv; readonly form?: Form } = {},
): Promise<Machine> {
  const home = await temporaryDirectory('home')
  const mounted = new Set<Mount>()
  const env: NodeJS.ProcessEnv = {
    HOME: home,
    COFFER_SERVER: server.issuer,
    COFFER_CA: server.caFile,
    COFFER_CONFIG_DIR: join(home, 'config'),
    COFFER_STATE_DIR: join(home, 'state'),
    COFFER_TOKEN_STORE: 'file',
    DISPLAY: '',
    WAYLAND_DISPLAY: '',
    ...settings.env,
  }
  const command = program('client', settings.form)
  const coffer = (...parameters: string[]): Promise<Outcome> =>
    outcome(process.execPath, [...command, ...parameters], { cwd: home, env })
  const config = clientConfig({ ...process.env, ...env }, home)
  const status = async (): Promise<Status> => {
    const lines: string[] = []
    const terminal = { print: (line: string) => lines.push(line) }
    await statusCommand({ json: true }, { config, terminal, stop: new AbortController().signal })
    return JSON.parse(lines.join('\n'))
  }
  const approval: Approval = (url) => approve(url, server)

  /** A command that may ask for a login on its way. */
  async function interactive(parameters: string[], approveLogin: Approval): Promise<void> {
    const running = start(process.execPath, [...command, ...parameters], { cwd: home, env })
    const address = running
      .printed(/^\s*(https:\/\/\S+\/authorize\?\S+)\s*$/m)
      .then(([, url = '']) => approveLogin(url))
      .catch((error: unknown) => {
        // a command that needs no login ends without printing an address
        if (running.child.exitCode !== 0) throw error
      })
    await Promise.all([address, running.ended])
    if (running.child.exitCode === 0) return
    throw new Error(`coffer ${parameters.join(' ')}: ${running.child.exitCode}\n${running.log()}`)
  }

  return {
    home,
    coffer,
    status,
    allSent: async () => {
      const sent = async () => {
        const { mounts } = await status()
        return mounts.length > 0 && mounts.every(({ pending }) => pending.files === 0)
      }
      // A busy machine takes its time, for each change is made durable on the server.
      await until('everything is sent', sent, 120_000)
    },
    start: (...parameters) =>
      start(process.execPath, [...command, ...parameters], { cwd: home, env }),
    login: (approveLogin = approval, flags = []) => interactive(['login', ...flags], approveLogin),
    mount: async ({ directory = join(home, 'mount'), flags = [], ...wishes } = {}) => {
      await mkdir(directory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
        if (!STALE.has(error.code)) throw error // a stale mount, which the command clears up
      })
      await interactive(['mount', ...flags, directory], wishes.approval ?? approval)
      const mount: Mount = {
        directory,
        status: async () => statusOf(directory, await status()),
        logged: async (text) => logged((await mount.status()).log ?? '', text),
        pid: async () => (await mount.status()).pid,
        unmount: async () => {
          const { status, stdout, stderr } = await coffer('unmount', directory)
          if (status !== 0) throw new Error(`coffer unmount: ${status}\n${stdout}${stderr}`)
          mounted.delete(mount)
        },
      }
      mounted.add(mount)
      return mount
    },
    remove: async () => {
      for (const { directory } of mounted)
        if (await isMounted(directory)) await run('fusermount3', ['-u', '-z', directory])
      await removeDirectory(home)
    },
  }
}

export async function isMounted(directory: string): Promise<boolean> {
  return (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .some((line) => line.split(' ')[1] === directory)
}

function statusOf(directory: string, { mounts }: Status): MountStatus {
  const found = mounts.find((mount) => mount.directory === directory)
  if (found !== undefined) return found
  throw new Error(`coffer status does not name ${directory}: ${JSON.stringify(mounts)}`)
}
