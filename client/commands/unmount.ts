import { CommandError } from '../command-error.js'
import { unmountDirectory } from '../fuse/fusermount.js'
import { mountOn } from '../fuse/mount-point.js'
import { askMount, NobodyAnswers, NobodyListens, type PendingWrites } from '../mount/control.js'
import { type MountRecord, MountRegistry, SUBTYPE } from '../mount/mount-registry.js'
import { mountDirectory } from './mount-directory.js'
import { amount, Progress } from './progress.js'
import type { Surroundings } from './surroundings.js'

export interface UnmountFlags {
  readonly force?: boolean
}

export async function unmountCommand(
  path: string,
  flags: UnmountFlags,
  surroundings: Surroundings,
): Promise<void> {
  const { config, terminal, workingDirectory } = surroundings
  const directory = await mountDirectory(path, workingDirectory)
  const registry = new MountRegistry(config.stateDirectory)
  const record = await registry.find(directory)
  const force = flags.force ?? false
  if (record === undefined || !(await unmountByItself(record, force, surroundings))) {
    await refuseNoMount(directory, registry)
    await unmountDirectory(directory, force)
    if (record !== undefined) await registry.remove(record)
  }
  terminal.say(`${path} is unmounted.`)
}

/** Lets the mount's own process unmount. @returns false if that process has gone */
async function unmountByItself(
  record: MountRecord,
  force: boolean,
  { terminal, progress, stop }: Surroundings,
): Promise<boolean> {
  let done = false
  let trouble: string | undefined
  const bar = new Progress()
  try {
    for await (const reply of askMount(record.socket, { command: 'unmount', force }, stop)) {
      if (reply.kind === 'failed') throw new CommandError(reply.message)
      if (reply.kind === 'pending') {
        if (reply.trouble !== undefined && trouble === undefined) {
          progress('')
          terminal.say(waiting(reply.pending, reply.trouble))
        }
        trouble = reply.trouble
        progress(bar.line(reply.pending))
      }
      if (reply.kind !== 'unmounted') continue
      done = true
      if (reply.lost.files > 0) terminal.say(`Not sent and lost: ${amount(reply.lost)}`)
      if (reply.kept !== undefined && reply.kept.files > 0) {
        terminal.say(`Kept, and sent at the next mount: ${amount(reply.kept)}`)
      }
    }
  } catch (error) {
    if (done) return true // only its process is not over yet
    if (error instanceof NobodyListens) return false
    if (stop.aborted) throw new CommandError(`Given up: ${record.directory} stays mounted.`)
    if (error instanceof NobodyAnswers) {
      if (force) return false
      throw new CommandError(
        `The process of the mount (${record.pid}) does not answer. To unmount without it, losing what it has not sent: coffer unmount --force ${record.directory}`,
      )
    }
    throw error
  } finally {
    progress('')
  }
  if (!done) throw new CommandError('the mount ended before it said that everything was sent')
  return true
}

function waiting(pending: PendingWrites, trouble: string): string {
  return `${amount(pending)} cannot be sent now: ${trouble}. Waiting for that; Ctrl-C leaves it mounted, --force does not wait.`
}

/** @throws CommandError if it is none of ours; that says where the mount begins, if the directory is one of its folders */
async function refuseNoMount(directory: string, registry: MountRegistry): Promise<void> {
  const mount = await mountOn(directory)
  if (mount?.type === `fuse.${SUBTYPE}`) return
  if (mount !== undefined) {
    throw new CommandError(
      `What is mounted on ${directory} is not Coffer's (${mount.type}); to unmount it: umount ${directory}`,
    )
  }
  for (const { directory: around } of (await registry.all()).reverse()) {
    if (!directory.startsWith(`${around}/`) || (await mountOn(around)) === undefined) continue
    throw new CommandError(
      `${directory} is inside the mount on ${around}; run: coffer unmount ${around}`,
    )
  }
  throw new CommandError(`Nothing is mounted on ${directory}; "coffer list" shows the mounts.`)
}
