import { setTimeout as delay } from 'node:timers/promises'
import { type Account, AccountDirectory, allAccounts } from '../account.js'
import { serverUrl } from '../config.js'
import { askMount, type MountStatus, NobodyListens } from '../control.js'
import { type MountRecord, MountRegistry } from '../mount-registry.js'
import { printable } from '../printable.js'
import { openTokenStore } from '../tokens.js'
import { size } from '../wording.js'
import type { Surroundings } from './surroundings.js'

export interface StatusFlags {
  readonly json?: boolean
  readonly watch?: boolean
}

interface LoginStatus {
  readonly server: string
  readonly login: 'kept' | 'none' | 'out of reach'
  /** Where the tokens are, or why they cannot be had. */
  readonly note: string
}

const WATCH_MILLISECONDS = 1_000
const CLEAR_SCREEN = '\x1b[H\x1b[2J'

/** @returns 0 if everything is well, 1 if a mount has lost its server or login */
export async function statusCommand(
  flags: StatusFlags,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal, stop } = surroundings
  for (;;) {
    const { text, isWell } = await statusText(flags, surroundings)
    terminal.print(flags.watch && !flags.json ? CLEAR_SCREEN + text : text)
    if (!flags.watch) return isWell ? 0 : 1
    await delay(WATCH_MILLISECONDS, undefined, { signal: stop }).catch(() => {})
    if (stop.aborted) return 0
  }
}

async function statusText(
  { json, watch }: StatusFlags,
  { config }: Surroundings,
): Promise<{ text: string; isWell: boolean }> {
  const mounts = await runningMounts(new MountRegistry(config.stateDirectory))
  const logins = await allLogins(config.configDirectory)
  const lines = [...mounts.flatMap(mountLines), ...logins.flatMap(loginLines)]
  const plain =
    lines.length === 0 ? 'Nothing is mounted and nobody is logged in.' : printable(lines.join('\n'))
  const isWell = mounts.every(
    ({ connection, login }) => connection.state === 'connected' && login.state !== 'dead',
  )
  // With --watch one object a line, for programs that read line by line.
  const text = json ? JSON.stringify({ mounts, logins }, null, watch ? 0 : 2) : plain
  return { text, isWell }
}

export async function listCommand({ config, terminal }: Surroundings): Promise<void> {
  for (const mount of await runningMounts(new MountRegistry(config.stateDirectory))) {
    terminal.print(`${mount.directory}\t${mount.server}${mount.remote === '/' ? '' : mount.remote}`)
  }
}

/** Asks every mount; the records of those whose process has gone are removed. */
async function runningMounts(registry: MountRegistry): Promise<MountStatus[]> {
  const asked = (await registry.all()).map((record) => statusOf(record, registry))
  return (await Promise.all(asked)).filter((status) => status !== undefined)
}

async function statusOf(
  record: MountRecord,
  registry: MountRegistry,
): Promise<MountStatus | undefined> {
  try {
    for await (const reply of askMount(record.socket, { command: 'status' })) {
      if (reply.kind === 'status') return reply.status
    }
  } catch (error) {
    if (!(error instanceof NobodyListens)) throw error
    await registry.remove(record)
  }
  return undefined
}

async function allLogins(configDirectory: string): Promise<LoginStatus[]> {
  const accounts = await allAccounts(configDirectory)
  return Promise.all(accounts.map((account) => loginOf(account, configDirectory)))
}

async function loginOf(account: Account, configDirectory: string): Promise<LoginStatus> {
  const { server } = account
  const directory = new AccountDirectory(configDirectory, serverUrl(server))
  try {
    const store = await openTokenStore(account.store, directory)
    const tokens = await store.load()
    return tokens === undefined
      ? { server, login: 'none', note: `run: coffer login ${server}` }
      : { server, login: 'kept', note: `in ${store.place}` }
  } catch (error) {
    const note = error instanceof Error ? error.message : String(error)
    return { server, login: 'out of reach', note }
  }
}

function mountLines(mount: MountStatus): string[] {
  const { connection, login, pending } = mount
  const where = `${mount.server}${mount.remote === '/' ? '' : mount.remote}`
  return [
    `${mount.directory}  ←  ${where}${mount.readOnly ? '  (read-only)' : ''}`,
    connection.state === 'connected'
      ? `  connected, mounted since ${mount.since}, process ${mount.pid}`
      : `  THE SERVER IS AWAY since ${connection.since}: ${connection.trouble}. Operations wait and go on when it is back.`,
    ...(login.state === 'dead' ? [`  LOGGED OUT: ${login.message}`] : []),
    mount.changes === 'live'
      ? "  others' changes are seen at once"
      : "  the stream of changes is down: others' changes are seen after about a second",
    pending.files === 0
      ? '  everything is sent'
      : `  to be sent: ${size(pending.bytes)} in ${pending.files} files`,
    ...conflictLines(mount.conflicts),
    requestLine(mount.requests),
    ...(mount.log === undefined ? [] : [`  log: ${mount.log}`]),
  ]
}

function conflictLines({ overwritten, copies }: MountStatus['conflicts']): string[] {
  return [
    ...(copies === 0
      ? []
      : [`  CONFLICTS: ${copies} copies lie beside what others changed; the log names them`]),
    ...(overwritten === 0
      ? []
      : [
          `  CONFLICTS: ${overwritten} times a change of another machine was written over; see the log`,
        ]),
  ]
}

function requestLine(requests: MountStatus['requests']): string {
  const { sent, failed, perSecond, medianMilliseconds, p99Milliseconds } = requests
  const latency =
    medianMilliseconds === undefined
      ? ''
      : `, answered in ${medianMilliseconds} ms (median), ${p99Milliseconds} ms (99 %)`
  return `  requests: ${sent}, ${failed} failed; ${perSecond.toFixed(1)} a second${latency}`
}

function loginLines({ server, login, note }: LoginStatus): string[] {
  return [`${server}: login ${login}, ${note}`]
}
