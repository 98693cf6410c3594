import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { CommandError } from './command-error.js'
import type { Environment } from './config.js'
import type { MountRequest } from './mount-request.js'

/** How this program was started, so that it can start itself again. */
export interface Program {
  readonly executable: string
  readonly executableArguments: readonly string[]
  readonly script: string
  readonly environment: Environment
}

/** What a mount's process says over its IPC channel. */
export const MOUNT_MESSAGE = z.discriminatedUnion('kind', [
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
    [...program.executableArguments, program.script, MOUNT_COMMAND],
    {
      detached: how.detached,
      stdio: ['ignore', how.output, how.output, 'ipc'],
      env: { ...program.environment, UV_THREADPOOL_SIZE: String(threads) },
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
): Promise<number> {
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 })
  const output = openSync(log, 'a', 0o600)
  const child = startMount(program, request, threads, { detached: true, output })
  closeSync(output)
  await readiness(child, log)
  child.disconnect()
  child.unref()
  return child.pid ?? 0
}

/** @returns the exit status once the mount is gone */
export async function mountInForeground(
  program: Program,
  request: MountRequest,
  threads: number,
  onReady: () => void,
  stop: AbortSignal,
): Promise<number> {
  const child = startMount(program, request, threads, { detached: true, output: 'inherit' })
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (status) => resolve(status ?? 1))
  })
  const pass = (): void => {
    child.kill('SIGTERM')
  }
  stop.addEventListener('abort', pass, { once: true })
  await readiness(child, 'the messages above')
  onReady()
  return ended
}

function readiness(child: ChildProcess, log: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => {
      reject(new CommandError(`the mount's process ended unexpectedly; see ${log}`))
    })
    child.once('message', (sent) => {
      const message = MOUNT_MESSAGE.parse(sent)
      if (message.kind === 'ready') resolve()
      else reject(new CommandError(message.message))
    })
  })
}
