import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { privateDirectory } from '../atomic-file.js'
import { CommandError } from '../command-error.js'
import type { Environment } from '../config.js'
import { messageOf } from '../error-of.js'
import { isAwaited } from '../fuse/mount-point.js'
import { unlessStopped } from '../unless-stopped.js'
import { SMALL_HEAP, SMALL_MALLOC } from './heap.js'
import type { MountRequest } from './mount-request.js'

/** How this program was started, so that it can start itself again. */
export interface Program {
  readonly executable: string
  readonly executableArguments: readonly string[]
  readonly script: string
  readonly environment: Environment
}

/** What a mount's process says over its IPC channel. */
const MOUNT_MESSAGE = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('warning'), message: z.string() }),
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
])
export type MountMessage = z.infer<typeof MOUNT_MESSAGE>

/** The hidden command that the mount's own process runs. */
export const MOUNT_COMMAND = 'serve-mount'

/**
 * The mount lives in a process of its own: libuv's threads are counted once, when a process starts, and a mount needs
 * more of them than other programs.
 */
function startMount(
  program: Program,
  request: MountRequest,
  threads: number,
  how: { detached: boolean; output: 'inherit' | number },
): ChildProcess {
  const child = spawn(
    program.executable,
    [...SMALL_HEAP, ...program.executableArguments, program.script, MOUNT_COMMAND],
    {
      detached: how.detached,
      stdio: ['ignore', how.output, how.output, 'ipc'],
      env: { ...program.environment, ...SMALL_MALLOC, UV_THREADPOOL_SIZE: String(threads) },
    },
  )
  child.send(request)
  return child
}

/** @returns once the mount can be used @throws CommandError if it cannot */
export async function mountInBackground(
  program: Program,
  request: MountRequest,
  threads: number,
  log: string,
  warn: (message: string) => void,
  stop: AbortSignal,
): Promise<number> {
  const output = await openOutput(log)
  // A session of its own is a process group of its own, too.
  const detached = !(await isAwaited(request.directory))
  const child = startMount(program, request, threads, { detached, output })
  closeSync(output)
  try {
    await unlessStopped(readiness(child, log, warn), stop)
  } catch (error) {
    await ended(child)
    throw error
  }
  child.disconnect()
  child.unref()
  return child.pid ?? 0
}

/** @returns the exit status once the mount is gone */
export async function mountInForeground(
  program: Program,
  request: MountRequest,
  threads: number,
  tell: { ready(): void; warn(message: string): void },
  stop: AbortSignal,
): Promise<number> {
  if (request.log !== undefined) closeSync(await openOutput(request.log))
  const child = startMount(program, request, threads, { detached: true, output: 'inherit' })
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (status) => resolve(status ?? 1))
  })
  const pass = (): void => {
    child.kill('SIGTERM')
  }
  stop.addEventListener('abort', pass, { once: true })
  await readiness(child, 'the messages above', tell.warn)
  tell.ready()
  return ended
}

async function openOutput(log: string): Promise<number> {
  try {
    await privateDirectory(dirname(log))
    return openSync(log, 'a', 0o600)
  } catch (cause) {
    const why = messageOf(cause)
    throw new CommandError(`${log} cannot be the log: ${why}`, { cause })
  }
}

const END_MILLISECONDS = 5_000

/** A mount that is not wanted any more tidies up, or is killed if it is stuck. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const kill = setTimeout(() => child.kill('SIGKILL'), END_MILLISECONDS)
  child.kill('SIGTERM')
  await once(child, 'exit')
  clearTimeout(kill)
}

function readiness(
  child: ChildProcess,
  log: string,
  warn: (message: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => {
      reject(new CommandError(`the mount's process ended unexpectedly; see ${log}`))
    })
    child.on('message', (sent) => {
      const message = MOUNT_MESSAGE.parse(sent)
      switch (message.kind) {
        case 'warning':
          return warn(message.message)
        case 'ready':
          return resolve()
        case 'failed':
          return reject(new CommandError(message.message))
      }
    })
  })
}
