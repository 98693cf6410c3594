#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createProgram } from './commands/program.js'
import { CONFIGURATION_STATUS, ConfigError, parseConfig, type Sources } from './config.js'
import { messageOf } from './error-of.js'
import { isOpenToOthers } from './open-to-others.js'
import { notifyReady } from './sd-notify.js'
import { WrongSecret } from './secret.js'

/** Everything this process makes is the owner's alone. */
process.umask(0o077)

const { version } = JSON.parse(
  readFileSync(
    new URL(
      import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json',
      import.meta.url,
    ),
    'utf8',
  ),
) as { version: string }

const program = createProgram(
  (flags) => ({
    config: () => parseConfig(sources(flags())),
    sources: () => sources(flags()),
    invocation: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
    clock: () => new Date(),
    uid: process.getuid?.(),
    readInput: () => text(process.stdin),
    print: (line) => process.stdout.write(`${line}\n`),
    fail: (status) => {
      process.exitCode = status
    },
  }),
  {
    onStop: (listener) => {
      process.once('SIGTERM', listener)
      process.once('SIGINT', listener)
    },
    onReload: (listener) => process.on('SIGHUP', listener),
    ready: () => notifyReady(process.env),
  },
  version,
)

// "coffer-server audit list | head" is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`coffer-server: what it says cannot be written: ${error.message}\n`)
  process.exit(1)
})

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`coffer-server: ${messageOf(error)}\n`)
  process.exitCode =
    error instanceof ConfigError || error instanceof WrongSecret ? CONFIGURATION_STATUS : 1
}

function sources(flags: Sources['flags']): Sources {
  return {
    flags,
    environment: process.env,
    readFile,
    // A user that is in no list, as in containers and by systemd's DynamicUser=, has none; nor needs it for a directory that is named.
    get home() {
      return homedir()
    },
  }
}

/** A configuration with a secret in it must be the owner's alone. */
function readFile(path: string): string {
  const content = readFileSync(path, 'utf8')
  if (/"(?:adminPassword|secret)"/.test(content) && isOpenToOthers(path)) {
    throw new Error(`it holds a secret and can be read by others: run "chmod 600 ${path}"`)
  }
  return content
}
