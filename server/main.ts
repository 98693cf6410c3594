#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { text } from 'node:stream/consumers'
import { createProgram } from './commands/program.js'
import { parseConfig } from './config.js'
import { messageOf } from './error-of.js'
import { isOpenToOthers } from './open-to-others.js'

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
    config: () =>
      parseConfig({
        flags: flags(),
        environment: process.env,
        readFile,
        // A user that is in no list, as in containers and by systemd's DynamicUser=, has none; nor needs it for a directory that is named.
        get home() {
          return homedir()
        },
      }),
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
  process.exitCode = 1
}

/** A configuration with a secret in it must be the owner's alone. */
function readFile(path: string): string {
  const content = readFileSync(path, 'utf8')
  if (/"(?:adminPassword|secret)"/.test(content) && isOpenToOthers(path)) {
    throw new Error(`it holds a secret and can be read by others: run "chmod 600 ${path}"`)
  }
  return content
}
