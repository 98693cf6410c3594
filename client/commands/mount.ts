import { join, resolve } from 'node:path'
import { CommandError, LoginNeeded } from '../command-error.js'
import { serverUrl } from '../config.js'
import { FUSE_NATIVE_LIMITS } from '../fuse/fuse-native.js'
import { unmountDirectory } from '../fuse/fusermount.js'
import { THREAD_POOL_SIZE } from '../fuse/kernel.js'
import { MountError } from '../fuse/mount-error.js'
import { mountPoint } from '../fuse/mount-point.js'
import { OtherVersion } from '../http/other-version.js'
import { AccountDirectory, serverBase } from '../login/account.js'
import { serverTrouble } from '../login/trouble.js'
import { trustByFingerprint } from '../login/trust-choice.js'
import { mountInBackground, mountInForeground } from '../mount/background.js'
import { descriptorLog } from '../mount/log.js'
import { mountId } from '../mount/mount-registry.js'
import type { MountRequest } from '../mount/mount-request.js'
import { openRemote } from '../mount/open-remote.js'
import type { RateLimit } from '../remote/rate-limit.js'
import { RemoteError } from '../remote-error.js'
import { unlessStopped } from '../unless-stopped.js'
import {
  localStorage,
  prepareCache,
  refuseInside,
  requireLocks,
  type StorageFlags,
  withoutHanging,
} from './local-storage.js'
import { type LoginFlags, loginTo, type TrustFlags } from './login.js'
import type { Surroundings } from './surroundings.js'

export interface MountFlags extends TrustFlags, StorageFlags {
  readonly device?: boolean
  readonly dpop?: boolean
  readonly deviceName?: string
  readonly remote: string
  readonly readOnly?: boolean
  /** False: files cannot be run. */
  readonly exec: boolean
  readonly allowOther?: boolean
  readonly foreground?: boolean
  /** False: fail rather than ask somebody to log in. */
  readonly login: boolean
  /** Seconds. */
  readonly wait: number
  readonly uid?: number
  readonly gid?: number
  readonly umask?: number
  readonly locks: MountRequest['locks']
  readonly limitRate?: RateLimit
  readonly log?: string
  readonly binding: MountRequest['binding']
}

/** `mount [URL] DIR` */
export async function mountCommand(
  places: readonly string[],
  flags: MountFlags,
  surroundings: Surroundings,
): Promise<number> {
  const [directory, url] = [...places].reverse()
  if (directory === undefined || places.length > 2) {
    throw new CommandError('Usage: coffer mount [URL] DIR')
  }
  const { config, terminal, workingDirectory, program, stop, uid } = surroundings
  if (flags.binding === 'fuse-native') {
    terminal.say(['The binding fuse-native has limits:', ...FUSE_NATIVE_LIMITS].join('\n- '))
  }
  const point = await usableMountPoint(resolve(workingDirectory, directory), terminal.say)
  const warn = (message: string): void => terminal.say(`Warning: ${message}`)
  const request = await withoutHanging(mountRequest(url, point, flags, surroundings), warn)
  if (request.writeBack !== undefined) requireLocks('--write-back')
  await refuseInside(point, {
    'the cache': request.cache?.directory,
    'the state directory': request.stateDirectory,
    'the configuration directory': request.configDirectory,
    'the log': request.log,
  })
  await prepareCache(request.cache?.directory, uid)
  try {
    await reachable(request, flags, surroundings)
  } catch (error) {
    throw serverTrouble(error, request.server)
  }
  const mounted = `${request.server} is mounted on ${directory}.`
  if (flags.foreground) {
    const ready = (): void => {
      terminal.say(mounted)
      surroundings.ready()
    }
    return mountInForeground(program, request, THREAD_POOL_SIZE, { ready, warn }, stop)
  }
  const log = request.log ?? join(config.stateDirectory, 'logs', `${mountId(point)}.log`)
  await mountInBackground(program, { ...request, log }, THREAD_POOL_SIZE, log, warn, stop)
  terminal.say(mounted)
  return 0
}

function mountRequest(
  url: string | undefined,
  directory: string,
  flags: MountFlags,
  { config, uid, gid, localAuthorities, workingDirectory }: Surroundings,
): MountRequest {
  const server = url === undefined ? config.server : serverUrl(url)
  const ca = flags.ca ?? config.ca
  return {
    server: serverBase(server),
    directory,
    remote: flags.remote,
    readOnly: flags.readOnly ?? false,
    noExec: !flags.exec,
    allowOther: flags.allowOther ?? false,
    binding: flags.binding,
    locks: flags.locks,
    owner: { uid: flags.uid ?? uid, gid: flags.gid ?? gid },
    configDirectory: config.configDirectory,
    stateDirectory: config.stateDirectory,
    localAuthorities: [...localAuthorities],
    foreground: flags.foreground ?? false,
    ...(ca === undefined ? {} : { ca }),
    ...(flags.umask === undefined ? {} : { umask: flags.umask }),
    ...localStorage(flags, workingDirectory),
    ...(flags.limitRate === undefined ? {} : { limitRate: flags.limitRate }),
    ...(flags.log === undefined ? {} : { log: resolve(workingDirectory, flags.log) }),
  }
}

/** A mount whose process died is cleared away; everything else that stands in the way is the user's to decide. */
async function usableMountPoint(
  directory: string,
  say: (message: string) => void,
): Promise<string> {
  try {
    return await mountPoint(directory)
  } catch (error) {
    if (!(error instanceof MountError) || error.code !== 'stale') throw error
    await unmountDirectory(directory, true)
    say(`Removed the dead mount that was left on ${directory}.`)
    return mountPoint(directory)
  }
}

/** A mount that is read-only is no reason for a login that is. */
function loginFlags({ readOnly: _, login: __, ...flags }: MountFlags): LoginFlags {
  return flags
}

/** Logs in if needed, and sees that the server and the login work before anything is mounted. */
async function reachable(
  request: MountRequest,
  flags: MountFlags,
  surroundings: Surroundings,
): Promise<void> {
  const server = serverUrl(request.server)
  const directory = new AccountDirectory(surroundings.config.configDirectory, server)
  const account = await directory.load()
  if (account === undefined) {
    await logIn(server, flags, surroundings)
  } else if (flags.fingerprint !== undefined) {
    const trust = await trustByFingerprint(server, flags.fingerprint)
    await directory.save({ ...account, trust })
  }
  const outcome = await tryRoot(request, flags, surroundings)
  if (outcome === 'works') return
  if (flags.login)
    surroundings.terminal.say(`The login to ${request.server} is over; log in again.`)
  await logIn(server, flags, surroundings)
  if ((await tryRoot(request, flags, surroundings)) !== 'works') {
    throw new CommandError(
      `${request.server} does not accept its own login; tell its administrator`,
    )
  }
}

async function logIn(server: URL, flags: MountFlags, surroundings: Surroundings): Promise<void> {
  if (!flags.login) {
    const base = serverBase(server)
    throw new LoginNeeded(`A login to ${base} is needed first; run: coffer login ${base}`)
  }
  await loginTo(server, loginFlags(flags), surroundings)
}

async function tryRoot(
  request: MountRequest,
  { wait }: MountFlags,
  { clock, stop }: Surroundings,
): Promise<'works' | 'login is over'> {
  // A command must tell soon that a server is down; a mount that already works waits longer.
  const patience = { milliseconds: wait * 1000, whileAwayMilliseconds: wait * 1000 }
  const log = descriptorLog(2)
  log.level = 'silent'
  const { remote, session } = await openRemote(request, { clock, log, patience })
  try {
    const root = await unlessStopped(remote.files.root(), stop)
    // Asked over a channel, which tells whether client and server understand each other.
    await unlessStopped(remote.files.stat(root.ino), stop)
    return 'works'
  } catch (error) {
    // Tokens that cannot be got at are no reason for another login.
    if (error instanceof RemoteError && error.cause instanceof CommandError) throw error.cause
    if (error instanceof OtherVersion) throw new CommandError(error.message, { cause: error })
    if (session.state.kind === 'dead') return 'login is over'
    if (error instanceof RemoteError && error.code === 'ENOENT') {
      throw new CommandError(`There is no folder ${request.remote} on ${request.server}.`)
    }
    throw error
  } finally {
    remote.close()
  }
}
