import { setTimeout as delay } from 'node:timers/promises'
import { serverUrl } from '../config.js'
import { messageOf } from '../error-of.js'
import { isStale } from '../fuse/mount-point.js'
import { damagedSegments } from '../journal/damaged-segments.js'
import { type Account, AccountDirectory, allAccounts } from '../login/account.js'
import { openTokenStore } from '../login/tokens.js'
import { askMount, type MountStatus, NobodyAnswers, NobodyListens } from '../mount/control.js'
import { type MountRecord, MountRegistry } from '../mount/mount-registry.js'
import { printable } from '../printable.js'
import { type BrokenMount, type LoginStatus, statusLines } from './status-text.js'
import type { Surroundings } from './surroundings.js'

export interface StatusFlags {
  readonly json?: boolean
  readonly watch?: boolean
}

/** What of its process it needs to know. */
type Asked = Pick<Surroundings, 'config' | 'stop'> & {
  readonly terminal: Pick<Surroundings['terminal'], 'print'>
}

const WATCH_MILLISECONDS = 1_000
const CLEAR_SCREEN = '\x1b[H\x1b[2J'

/** @returns 0 if everything is well, 1 if a mount has lost its server, login or folder */
export async function statusCommand(flags: StatusFlags, surroundings: Asked): Promise<number> {
  const { terminal, stop } = surroundings
  for (;;) {
    const { text, isWell } = await statusText(flags, surroundings).catch((error: unknown) => {
      if (flags.watch && stop.aborted) return { text: '', isWell: true }
      throw error
    })
    if (flags.watch && stop.aborted) return 0
    terminal.print(flags.watch && !flags.json ? CLEAR_SCREEN + text : text)
    if (!flags.watch) return isWell ? 0 : 1
    await delay(WATCH_MILLISECONDS, undefined, { signal: stop }).catch(() => {})
    if (stop.aborted) return 0
  }
}

async function statusText(
  { json, watch }: StatusFlags,
  { config, stop }: Asked,
): Promise<{ text: string; isWell: boolean }> {
  const { mounts, broken } = await runningMounts(new MountRegistry(config.stateDirectory), stop)
  const logins = await allLogins(config.configDirectory)
  const damaged = await damagedSegments(config.stateDirectory)
  const isWell =
    broken.length === 0 &&
    mounts.every(
      ({ connection, login, folder }) =>
        connection.state === 'connected' && login.state !== 'dead' && folder === 'there',
    )
  // With --watch one object a line, for programs that read line by line.
  const text = json
    ? JSON.stringify({ mounts, broken, logins, damaged }, null, watch ? 0 : 2)
    : printable(statusLines(mounts, broken, logins, damaged).join('\n'))
  return { text, isWell }
}

export async function listCommand({ config, terminal, stop }: Surroundings): Promise<void> {
  const { mounts, broken } = await runningMounts(new MountRegistry(config.stateDirectory), stop)
  for (const { directory, server, remote } of mounts) {
    terminal.print(`${directory}\t${server}${remote === '/' ? '' : remote}`)
  }
  for (const { directory, server } of broken) terminal.print(`${directory}\t${server}`)
}

interface RunningMounts {
  readonly mounts: readonly MountStatus[]
  readonly broken: readonly BrokenMount[]
}

/** Asks every mount; the records of those that have gone are removed. */
async function runningMounts(registry: MountRegistry, stop: AbortSignal): Promise<RunningMounts> {
  const records = await registry.all()
  const asked = await Promise.all(records.map((record) => statusOf(record, registry, stop)))
  return {
    mounts: asked.flatMap((answer) => (answer.kind === 'running' ? [answer.status] : [])),
    broken: asked.flatMap((answer) => (answer.kind === 'broken' ? [answer.mount] : [])),
  }
}

type Answer =
  | { kind: 'running'; status: MountStatus }
  | { kind: 'broken'; mount: BrokenMount }
  | { kind: 'gone' }

async function statusOf(
  record: MountRecord,
  registry: MountRegistry,
  stop: AbortSignal,
): Promise<Answer> {
  const { directory, server, pid } = record
  try {
    for await (const reply of askMount(record.socket, { command: 'status' }, stop)) {
      if (reply.kind === 'status') return { kind: 'running', status: reply.status }
      return { kind: 'broken', mount: { directory, server, pid, state: 'another version' } }
    }
  } catch (error) {
    if (error instanceof NobodyAnswers) {
      return { kind: 'broken', mount: { directory, server, pid, state: 'silent' } }
    }
    if (!(error instanceof NobodyListens)) throw error
    if (await isStale(directory)) {
      return { kind: 'broken', mount: { directory, server, pid, state: 'dead' } }
    }
    await registry.remove(record)
  }
  return { kind: 'gone' }
}

async function allLogins(configDirectory: string): Promise<LoginStatus[]> {
  const accounts = await allAccounts(configDirectory)
  return Promise.all(accounts.map((account) => loginOf(account, configDirectory)))
}

async function loginOf(account: Account, configDirectory: string): Promise<LoginStatus> {
  const { server } = account
  const directory = new AccountDirectory(configDirectory, serverUrl(server))
  try {
    const store = openTokenStore(account.store, directory)
    // Also run by scripts, and each second: nobody is asked for a keyring's password.
    const tokens = await store.load(false)
    return tokens === undefined
      ? { server, login: 'none', note: `run: coffer login ${server}` }
      : { server, login: 'kept', note: `in ${store.place}` }
  } catch (error) {
    const note = messageOf(error)
    return { server, login: 'out of reach', note }
  }
}
