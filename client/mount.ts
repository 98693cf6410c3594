import { z } from 'zod'
import { type Account, AccountDirectory } from './account.js'
import { httpClient } from './api.js'
import { CommandError } from './command-error.js'
import { serverUrl } from './config.js'
import { type ControlReply, type ControlRequest, type MountStatus, openControl } from './control.js'
import { fileSystem } from './fs/operations.js'
import type { CofferFileSystem } from './fs/options.js'
import type { Binding, Mounted } from './fuse/filesystem.js'
import { fuseNativeBinding } from './fuse/fuse-native.js'
import { kernelBinding } from './fuse/kernel.js'
import type { Logger } from './log.js'
import { type MountRecord, MountRegistry } from './mount-registry.js'
import { limitedRate } from './rate-limit.js'
import { type Remote, remoteFiles } from './remote.js'
import type { Patience } from './retry.js'
import { Session, type SessionNotice } from './session.js'
import { accountTokens } from './tokens.js'
import { chosenTrust } from './trust-choice.js'
import { unmountByForce, unmountGently } from './unmount-steps.js'

/** Everything a mount's process needs to know, as the command hands it over. */
export const MOUNT_REQUEST = z.object({
  server: z.string(),
  directory: z.string(),
  remote: z.string(),
  readOnly: z.boolean(),
  allowOther: z.boolean(),
  binding: z.enum(['kernel', 'fuse-native']),
  owner: z.object({ uid: z.number(), gid: z.number() }),
  configDirectory: z.string(),
  stateDirectory: z.string(),
  ca: z.string().optional(),
  localAuthorities: z.array(z.string()),
  log: z.string().optional(),
  limitRate: z
    .object({ upload: z.number().optional(), download: z.number().optional() })
    .optional(),
  /** The mount ends with the command that started it. */
  foreground: z.boolean(),
})
export type MountRequest = z.infer<typeof MOUNT_REQUEST>

const BINDINGS: Readonly<Record<MountRequest['binding'], Binding>> = {
  kernel: kernelBinding,
  'fuse-native': fuseNativeBinding,
}

export interface MountProcess {
  readonly pid: number
  readonly clock: () => number
  readonly log: Logger
  /** Aborted by SIGINT and SIGTERM. */
  readonly stop: AbortSignal
  /** The mount can be used. */
  ready(): void
}

/** Mounts, serves the mount until it is unmounted by whomever, and resolves once everything is sent and tidied up. */
export async function runMount(request: MountRequest, surroundings: MountProcess): Promise<void> {
  const { log } = surroundings
  const { remote, session } = await openRemote(request, surroundings)
  try {
    const root = await remote.files.root()
    if (root.type !== 'directory') {
      throw new CommandError(`${request.remote} on the server is no directory`)
    }
    const limit = request.limitRate
    const files =
      limit === undefined ? remote.files : limitedRate(remote.files, limit, surroundings.clock)
    const shown = fileSystem(files, {
      root,
      owner: request.owner,
      log: (message, error) => log.warn({ err: error }, message),
    })
    const mounted = await BINDINGS[request.binding](request.directory, shown, {
      fsname: request.server,
      subtype: 'coffer',
      readOnly: request.readOnly,
      allowOther: request.allowOther,
      defaultPermissions: true,
    })
    await serveMount({ request, surroundings, remote, session, shown, mounted })
  } finally {
    remote.close()
  }
}

interface Serving {
  readonly request: MountRequest
  readonly surroundings: MountProcess
  readonly remote: Remote
  readonly session: Session
  readonly shown: CofferFileSystem
  readonly mounted: Mounted
}

async function serveMount(serving: Serving): Promise<void> {
  const { request, surroundings, shown, mounted } = serving
  const { log, stop } = surroundings
  const registry = new MountRegistry(request.stateDirectory)
  const since = new Date(surroundings.clock()).toISOString()
  const record: MountRecord = {
    directory: request.directory,
    server: request.server,
    pid: surroundings.pid,
    socket: await registry.socketPath(request.directory),
    ...(request.log === undefined ? {} : { log: request.log }),
  }
  const control = await openControl(record.socket, (asked) => answer(asked, serving, since))
  await registry.add(record)
  const stopped = (): void => {
    log.info('asked to stop')
    stopMount(shown, mounted, log).catch((error: unknown) => log.error({ err: error }, 'unmount'))
  }
  stop.addEventListener('abort', stopped, { once: true })
  if (stop.aborted) stopped()
  log.info({ server: request.server, directory: request.directory }, 'mounted')
  surroundings.ready()
  await mounted.ended
  await shown.drain().catch((error: unknown) => log.error({ err: error }, 'data was lost'))
  log.info('unmounted')
  await registry.remove(record)
  await control.close()
}

/** SIGINT and SIGTERM: what is written is sent; programs that still use the mount lose it. */
async function stopMount(shown: CofferFileSystem, mounted: Mounted, log: Logger): Promise<void> {
  for await (const step of unmountGently(shown, mounted)) {
    if (step.kind === 'pending') log.info(step.pending, 'still sending')
    if (step.kind !== 'failed') continue
    log.warn(step.message)
    await mounted.unmount({ lazy: true })
  }
}

async function* answer(
  asked: ControlRequest,
  serving: Serving,
  since: string,
): AsyncGenerator<ControlReply> {
  switch (asked.command) {
    case 'status':
      yield { kind: 'status', status: status(serving, since) }
      return
    case 'unmount':
      yield* asked.force
        ? unmountByForce(serving.shown, serving.mounted)
        : unmountGently(serving.shown, serving.mounted)
  }
}

function status(
  { request, surroundings, remote, session, shown }: Serving,
  since: string,
): MountStatus {
  const { state } = remote
  const login = session.state
  return {
    directory: request.directory,
    server: request.server,
    remote: request.remote,
    readOnly: request.readOnly,
    binding: request.binding,
    pid: surroundings.pid,
    since,
    connection:
      state.kind === 'connected'
        ? { state: 'connected' }
        : {
            state: 'away',
            since: new Date(state.since).toISOString(),
            trouble: state.trouble,
          },
    login:
      login.kind === 'dead' ? { state: 'dead', message: login.message } : { state: login.kind },
    pending: shown.pending(),
    requests: { ...remote.counts },
    ...(request.log === undefined ? {} : { log: request.log }),
  }
}

type RemoteRequest = Pick<
  MountRequest,
  'server' | 'configDirectory' | 'remote' | 'ca' | 'localAuthorities'
>

/** The server's files with the login that is in the store. @throws CommandError if there was never a login */
export async function openRemote(
  request: RemoteRequest,
  { clock, log, patience }: Pick<MountProcess, 'clock' | 'log'> & { patience?: Patience },
): Promise<{ remote: Remote; session: Session; account: Account }> {
  const server = serverUrl(request.server)
  const directory = new AccountDirectory(request.configDirectory, server)
  const account = await directory.load()
  if (account === undefined) {
    throw new CommandError(
      `not logged in to ${request.server}; run: coffer login ${request.server}`,
    )
  }
  const trust = chosenTrust(server, request, account)
  const session = new Session({
    account,
    directory,
    store: accountTokens(directory),
    send: httpClient({ trust, connections: 2 }).send,
    clock,
    notice: (notice) => logNotice(log, notice),
  })
  const remote = remoteFiles({
    server: account.server,
    trust,
    credentials: session,
    clock,
    remotePath: request.remote,
    ...(patience === undefined ? {} : { patience }),
    notice: (state) =>
      state.kind === 'away'
        ? log.warn({ trouble: state.trouble }, 'the server is away; operations wait')
        : log.info('the server is back'),
  })
  return { remote, session, account }
}

function logNotice(log: Logger, notice: SessionNotice): void {
  switch (notice.kind) {
    case 'dead':
      log.error(notice.message)
      return
    case 'unsaved':
      log.warn(notice.message)
      return
    case 'alive':
      log.info('logged in again')
  }
}
