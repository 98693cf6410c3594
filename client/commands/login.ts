import { CommandError } from '../command-error.js'
import { serverUrl } from '../config.js'
import type { Fingerprint } from '../http/fingerprint.js'
import { AccountDirectory, serverBase } from '../login/account.js'
import { type Binding, login, logout } from '../login/login.js'
import { chosenTrust } from '../login/trust-choice.js'
import { askMount } from '../mount/control.js'
import { MountRegistry } from '../mount/mount-registry.js'
import type { Surroundings } from './surroundings.js'

export interface TrustFlags {
  readonly ca?: string
  readonly fingerprint?: Fingerprint
}
export interface LoginFlags extends TrustFlags {
  readonly device?: boolean
  /** `--dpop`, `--no-dpop`, or nothing said. */
  readonly dpop?: boolean
  readonly deviceName?: string
  readonly readOnly?: boolean
}

/** A login in the browser takes people minutes, not hours. */
const LOGIN_MILLISECONDS = 10 * 60_000
/** A mount answers at once, or is stuck. */
const TOLD_MILLISECONDS = 2_000

export async function loginCommand(
  url: string | undefined,
  flags: LoginFlags,
  surroundings: Surroundings,
): Promise<void> {
  const server = url === undefined ? surroundings.config.server : serverUrl(url)
  await loginTo(server, flags, surroundings)
  await tellMounts(serverBase(server), surroundings)
  surroundings.terminal.say(`Logged in to ${serverBase(server)}.`)
}

/** A mount whose login was over, or whose certificate was not trusted, finds out by itself, but only when it tries again. */
async function tellMounts(server: string, { config, stop }: Surroundings): Promise<void> {
  const mounts = await new MountRegistry(config.stateDirectory).all().catch(() => [])
  for (const record of mounts) {
    if (record.server !== server) continue
    try {
      for await (const _ of askMount(record.socket, { command: 'login' }, stop, TOLD_MILLISECONDS));
    } catch {
      // It has gone, or does not answer: "coffer status" says so.
    }
  }
}

export async function loginTo(
  server: URL,
  flags: LoginFlags,
  { config, terminal, clock, stop, localAuthorities, hostName }: Surroundings,
): Promise<void> {
  const late = AbortSignal.timeout(LOGIN_MILLISECONDS)
  try {
    await login({
      server,
      directory: new AccountDirectory(config.configDirectory, server),
      wishes: { ca: flags.ca ?? config.ca, localAuthorities },
      fingerprint: flags.fingerprint,
      tokenStore: config.tokenStore,
      readOnly: flags.readOnly ?? false,
      binding: bindingOf(flags),
      deviceName: flags.deviceName ?? hostName,
      way: flags.device ? 'device' : 'browser',
      terminal,
      clock,
      signal: AbortSignal.any([stop, late]),
    })
  } catch (error) {
    if (stop.aborted) throw new CommandError('Given up; nothing has changed.', { cause: error })
    if (late.aborted) {
      throw new CommandError('Nobody logged in within ten minutes. Run the command again.', {
        cause: error,
      })
    }
    throw error
  }
}

function bindingOf({ dpop }: LoginFlags): Binding {
  if (dpop === undefined) return 'possible'
  return dpop ? 'required' : 'off'
}

export async function logoutCommand(
  url: string | undefined,
  flags: TrustFlags,
  { config, terminal, localAuthorities }: Surroundings,
): Promise<void> {
  const server = url === undefined ? config.server : serverUrl(url)
  const base = serverBase(server)
  const directory = new AccountDirectory(config.configDirectory, server)
  const account = await directory.load()
  if (account === undefined) throw new CommandError(`Not logged in to ${base}.`)
  const wishes = { ca: flags.ca ?? config.ca, localAuthorities }
  const revoked = await logout(account, directory, chosenTrust(server, wishes, account))
  terminal.say(
    revoked
      ? `Logged out of ${base}.`
      : `The login to ${base} is forgotten here, but the server could not be told. Remove this device on its account page.`,
  )
}
