#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { notifyReady } from '../server/sd-notify.js'
import { commandLine } from './cli.js'
import { CommandError, LOGIN_NEEDED_STATUS, LoginNeeded } from './command-error.js'
import type { Surroundings } from './commands/surroundings.js'
import { clientConfig } from './config.js'
import { koffi } from './koffi.js'
import { openBrowser } from './login/browser.js'
import type { MountMessage } from './mount/background.js'
import { mountHelperArguments } from './mount-helper.js'
import { printable } from './printable.js'
import { told } from './told.js'

/** The program `coffer`: nothing else of the client reads the environment, the arguments or the terminal. */

process.umask(0o077)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stop.abort(new CommandError(`stopped by ${signal}`)))
}

/** Whoever read what is printed may have seen enough, as "head" has; messages are for whoever is there. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`coffer: what it says cannot be written: ${error.message}\n`)
  process.exit(1)
})
process.stderr.on('error', () => {})

function surroundings(): Surroundings {
  return {
    config: clientConfig(process.env, homedir()),
    terminal: {
      say: (message) => process.stderr.write(`${printable(message)}\n`),
      print: (line) => process.stdout.write(`${line}\n`),
      ask: process.stdin.isTTY ? ask : undefined,
      openBrowser: (url) => openBrowser(url, process.platform, process.env),
    },
    progress: (line) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
    },
    program: {
      executable: process.execPath,
      executableArguments: process.execArgv,
      script: fileURLToPath(import.meta.url),
      environment: process.env,
    },
    ready: () => notifyReady(process.env),
    workingDirectory: workingDirectory(),
    hostName: hostname(),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    pid: process.pid,
    localAuthorities: localAuthorities(),
    clock: Date.now,
    stop: stop.signal,
  }
}

/** None where it has been removed, or was in a mount that is gone: who names places from the root on needs none. */
function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    return ''
  }
}

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question, { signal: stop.signal })
  } finally {
    lines.close()
  }
}

/** Of a server started in the same checkout, or with the same setting, and of one the user runs on this machine. */
function localAuthorities(): string[] {
  const { COFFER_DATA, XDG_DATA_HOME } = process.env
  const data = XDG_DATA_HOME || join(homedir(), '.local', 'share')
  return [
    ...(COFFER_DATA ? [resolve(COFFER_DATA)] : []),
    join(checkout(), '.coffer', 'data'),
    join(data, 'coffer'),
  ].map((directory) => join(directory, 'tls', 'ca.pem'))
}

/** The folder of package.json, from client/ as from dist/client/. */
function checkout(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) {
    folder = dirname(folder)
  }
  return folder
}

function version(): string {
  const { version } = JSON.parse(readFileSync(join(checkout(), 'package.json'), 'utf8')) as {
    version: string
  }
  return version
}

/** Runs a mount for the command that started this process and sent the request over IPC. */
async function serveMount(): Promise<number> {
  if (process.send === undefined) throw new CommandError('this command is for coffer itself')
  const tell = (message: MountMessage): void => {
    if (process.connected) process.send?.(message)
  }
  // which no other command needs
  const [{ MOUNT_REQUEST }, { descriptorLog, fileLog }, { runMount }, { hasProcess }] =
    await Promise.all([
      import('./mount/mount-request.js'),
      import('./mount/log.js'),
      import('./mount/mount.js'),
      import('./running-process.js'),
    ])
  const request = MOUNT_REQUEST.parse(
    await new Promise((resolve) => process.once('message', resolve)),
  )
  process.chdir('/') // keeps no directory from being unmounted
  process.once('disconnect', () => {
    if (request.foreground) stop.abort(new CommandError('the command that mounted has ended'))
  })
  const log = request.log === undefined ? descriptorLog(2) : await fileLog(request.log)
  try {
    await runMount(request, {
      pid: process.pid,
      hasProcess,
      clock: Date.now,
      log,
      stop: stop.signal,
      warn: (message) => tell({ kind: 'warning', message }),
      ready: () => tell({ kind: 'ready' }),
    })
    return 0
  } catch (error) {
    log.error({ err: error }, 'the mount failed')
    tell({ kind: 'failed', message: told(error) })
    return 1
  } finally {
    if (process.connected) process.disconnect()
  }
}

/** As mount(8)'s helper the program has another name and other parameters. */
function parameters(): string[] | 'nothing' {
  const given = process.argv.slice(2)
  return isMountHelper() ? mountHelperArguments(given) : given
}

function isMountHelper(): boolean {
  return basename(process.argv[1] ?? '') === 'mount.coffer'
}

/** Of mount(8)'s helper a status is a set of bits. */
function failureStatus(error: unknown): number {
  return error instanceof LoginNeeded && !isMountHelper() ? LOGIN_NEEDED_STATUS : 1
}

/** How long what is under way on a disk may take when all else is done. */
const LAST_LOOKS = 20
const LOOK_MILLISECONDS = 50

/** Node.js ends only once its threads have, and one that waits for a disk that hangs never does. */
async function end(status: number): Promise<void> {
  for (let look = 0; isAtDisk(); look++) {
    if (look === LAST_LOOKS) endAtOnce(status)
    await delay(LOOK_MILLISECONDS)
  }
  process.exit(status)
}

function isAtDisk(): boolean {
  return process.getActiveResourcesInfo().some((kind) => kind.startsWith('FSReq'))
}

/** exit_group(2), without what Node.js and the C library do before. */
function endAtOnce(status: number): void {
  try {
    koffi().load(null).func('void _exit(int status)')(status)
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}

let status = 0
try {
  const finish = (result: number): void => {
    status = result
  }
  const given = parameters()
  if (given !== 'nothing') {
    await commandLine(surroundings, serveMount, finish)
      .version(version())
      .parseAsync(given, { from: 'user' })
  }
} catch (error) {
  process.stderr.write(`coffer: ${printable(told(error))}\n`)
  status = failureStatus(error)
}
// What could not be written is told only now.
setImmediate(() => void end(status))
