import { setTimeout as delay } from 'node:timers/promises'
import { CommandError } from '../command-error.js'
import { messageOf } from '../error-of.js'
import type { Binding } from '../fuse/filesystem.js'
import { fuseNativeBinding } from '../fuse/fuse-native.js'
import { kernelBinding } from '../fuse/kernel.js'
import { unlessStopped } from '../unless-stopped.js'
import { type Control, type ControlReply, type ControlRequest, openControl } from './control.js'
import type { Logger } from './log.js'
import { mountedFiles } from './mount-files.js'
import { type MountRecord, MountRegistry, SUBTYPE } from './mount-registry.js'
import type { MountProcess, MountRequest } from './mount-request.js'
import { mountStatus, type Serving } from './mount-status.js'
import { accountIdentity, endWriteBack } from './mount-write-back.js'
import { NewsWatch } from './news-watch.js'
import { openRemote } from './open-remote.js'
import { Succession } from './succession.js'
import { unmountByForce, unmountGently } from './unmount-steps.js'

const BINDINGS: Readonly<Record<MountRequest['binding'], Binding>> = {
  kernel: kernelBinding,
  'fuse-native': fuseNativeBinding,
}

/** How long a new mount waits for the stream of changes before it says that it can be used. */
const NEWS_MILLISECONDS = 1000

/** Longer than all that is done briefly; a bind mount, or another mount namespace, may keep the process for good. */
const LAST_MILLISECONDS = 5_000

/** Whoever ends this process may be ending the programs that use the mount, too: they have this long for it. */
const LEAVING_MILLISECONDS = 3_000

/** Mounts, serves the mount until it is unmounted by whomever, and resolves once everything is sent and tidied up. */
export async function runMount(request: MountRequest, surroundings: MountProcess): Promise<void> {
  const { log, stop } = surroundings
  const { remote, session } = await openRemote(request, surroundings)
  try {
    const root = await unlessStopped(remote.files.root(), stop)
    if (root.type !== 'directory') {
      throw new CommandError(`${request.remote} on the server is no directory`)
    }
    const account = accountIdentity(request.server, await unlessStopped(remote.accountRoot(), stop))
    const succession = new Succession({ request, surroundings, remote, account })
    await unlessStopped(succession.fence(), stop)
    const news = new NewsWatch(root.ino, () =>
      log.error(`the folder ${request.remote} is gone from the server; unmount it`),
    )
    const files = news.over(remote.files)
    const { shown, writeBack, reads, close } = await unlessStopped(
      mountedFiles(request, surroundings, { remote, files, root, account }),
      stop,
    )
    await unlessStopped(succession.begin(writeBack), stop)
    const mounted = await BINDINGS[request.binding](request.directory, shown, {
      fsname: request.server,
      subtype: SUBTYPE,
      readOnly: request.readOnly,
      noExec: request.noExec,
      allowOther: request.allowOther,
      defaultPermissions: true,
    })
    let control: Control
    try {
      const serving = { request, surroundings, remote, session, news, shown, reads, mounted }
      control = await serveMount(serving)
    } catch (error) {
      await mounted.unmount({ lazy: true }).catch(() => {}) // rather than leave a dead one
      throw error
    }
    const isConnected = remote.state.kind === 'connected'
    const isSent = writeBack === undefined || (await endWriteBack(writeBack, isConnected, log))
    await close()
    // Until what is left is sent, by the next mount, nobody is to get the locks under which it was written.
    if (isSent) await succession.end()
    await control.close()
  } finally {
    remote.close()
  }
}

/** @returns once it is unmounted, to be closed when all is tidied up */
async function serveMount(serving: Serving): Promise<Control> {
  const { request, surroundings, mounted } = serving
  const { log, stop } = surroundings
  const registry = new MountRegistry(request.stateDirectory)
  const { record, control } = await announced(serving, registry)
  const stopped = (): void => {
    log.info('asked to stop')
    stopMount(serving, log).catch((error: unknown) => log.error({ err: error }, 'unmount'))
  }
  stop.addEventListener('abort', stopped, { once: true })
  if (stop.aborted) stopped()
  serving.remote.prepare()
  // What a program learns before others' changes are told cannot be kept for long.
  await serving.news.begun(NEWS_MILLISECONDS)
  log.info({ server: request.server, directory: request.directory }, 'mounted')
  surroundings.ready()
  // It is gone, and another one may be there by now: whatever goes wrong from here on must not unmount that.
  await mounted.ended.catch((error: unknown) => log.error({ err: error }, 'data was lost'))
  log.info('unmounted')
  await registry.remove(record)
  return control
}

/** Lets commands find the mount. */
async function announced(
  serving: Serving,
  registry: MountRegistry,
): Promise<{ record: MountRecord; control: Control }> {
  const { request, surroundings } = serving
  const since = new Date(surroundings.clock()).toISOString()
  try {
    const record: MountRecord = {
      directory: request.directory,
      server: request.server,
      pid: surroundings.pid,
      socket: await registry.socketPath(request.directory, surroundings.pid),
      ...(request.log === undefined ? {} : { log: request.log }),
    }
    const control = await openControl(record.socket, (asked, over) =>
      answer(asked, serving, since, over),
    )
    if ((await registry.add(record)) !== 'kept') {
      const message = `${request.stateDirectory} has no room: what commands find this mount by is in /tmp`
      surroundings.log.warn(message)
      surroundings.warn(message)
    }
    return { record, control }
  } catch (cause) {
    const why = messageOf(cause)
    throw new CommandError(`${request.stateDirectory} cannot be written: ${why}`, { cause })
  }
}

/** SIGINT and SIGTERM: what is written is sent; programs that still use the mount lose it. */
async function stopMount(serving: Serving, log: Logger): Promise<void> {
  const { mounted } = serving
  for await (const step of unmountGently(serving, () => troubleOf(serving))) {
    if (step.kind === 'pending') log.info(step.pending, 'still sending')
    if (step.kind !== 'failed') continue
    log.warn(step.message)
    // Where it cannot be, as somebody else has done it already, those that use it lose it all the same.
    await mounted.unmount({ lazy: true }).catch((error: unknown) => log.warn(messageOf(error)))
  }
  const late = setTimeout(() => mounted.abandon?.(), LEAVING_MILLISECONDS)
  await mounted.ended.catch(() => {}) // which is told elsewhere
  clearTimeout(late)
}

async function* answer(
  asked: ControlRequest,
  serving: Serving,
  since: string,
  over: Promise<void>,
): AsyncGenerator<ControlReply> {
  switch (asked.command) {
    case 'status':
      yield { kind: 'status', status: mountStatus(serving, since) }
      return
    case 'login':
      serving.surroundings.log.info('told of a new login')
      serving.session.lookAgain()
      serving.remote.lookAgain()
      return
    case 'unmount':
      if (asked.force) {
        yield* unmountByForce(serving.shown, serving.mounted, () => serving.remote.giveUp())
        return
      }
      for await (const step of unmountGently(serving, () => troubleOf(serving))) {
        yield step
        // The next mount need not wait then for locks and journals of this one, unless something else shows it still.
        if (step.kind === 'unmounted') await Promise.race([over, delay(LAST_MILLISECONDS)])
      }
  }
}

/** What keeps anything from being sent. */
function troubleOf({ remote, session }: Serving): string | undefined {
  if (session.state.kind === 'dead') return session.state.message
  switch (remote.state.kind) {
    case 'connected':
      return undefined
    case 'away':
      return `the server is away: ${remote.state.trouble}`
    case 'untrusted':
      return `the server's certificate is not trusted: ${remote.state.trouble}`
    case 'incompatible':
      return remote.state.trouble
  }
}
