import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Command } from 'commander'
import { commandLine } from '../client/cli.js'
import { createProgram } from '../server/commands/program.js'
import { removeDirectory, temporaryDirectory } from './support/directory.js'
import { run } from './support/process.js'

const nothing = (): never => {
  throw new Error('a help text needs nothing of the process')
}

const PROGRAMS: readonly (() => Command)[] = [
  () => commandLine(nothing, nothing, nothing),
  () =>
    createProgram(() => LINE, { onStop: () => {}, onReload: () => {}, ready: () => {} }, '1.2.3'),
]
const LINE = {
  config: nothing,
  sources: nothing,
  invocation: [],
  clock: () => new Date(),
  uid: 0,
  readInput: nothing,
  print: () => {},
  fail: () => {},
}

/** The program and all commands that its help names, and theirs. */
function everyCommand(command: Command): Command[] {
  const parts = command.createHelp().visibleCommands(command)
  return [command, ...parts.filter((part) => part.name() !== 'help').flatMap(everyCommand)]
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`
}

/** Everything that `--help` prints. */
function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
  })
  command.outputHelp()
  return text
}

/** The lines below "Examples:". */
function examplesIn(help: string): string[] {
  const [, block = ''] = /^Examples:\n((?: {2}.+\n?)+)/m.exec(help) ?? []
  const lines = block.split('\n').map((line) => line.trim())
  return lines.filter((line) => line !== '')
}

/** A new program that parses as it always does, and then does nothing. */
function idle(make: () => Command): Command {
  const program = make()
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({ writeErr: () => {} })
    if (command.commands.length === 0) command.action(() => {})
  }
  return program
}

/** The words that bash gives to the program when somebody types the line. */
async function typed(line: string, program: string, home: string): Promise<string[]> {
  const script = `exec 9>&1
    ${program}() { printf '%s\\0' "$@" >&9; }
    sudo() { "$@"; }
    jq() { :; }
    ${line}`
  const words = await run('bash', ['-c', script], { cwd: home, env: { HOME: home } })
  return words.split('\0').slice(0, -1)
}

describe('the help of every command', () => {
  let home: string

  before(async () => {
    home = await temporaryDirectory('help')
    // which fish makes by itself
    await mkdir(join(home, '.config', 'fish', 'completions'), { recursive: true })
    for (const file of ['password.txt', 'metadata.json']) await writeFile(join(home, file), '')
  })

  after(() => removeDirectory(home))

  for (const make of PROGRAMS) {
    const program = make()
    for (const command of everyCommand(program)) {
      const name = fullName(command)
      const examples = examplesIn(helpOf(command))

      it(`${name} --help shows how it is used, itself`, () => {
        const own = examples.filter((line) => line.includes(name))
        expect(own).to.not.be.empty
      })

      it(`${name} --help calls its arguments what a message about a missing one does`, () => {
        for (const argument of command.registeredArguments) {
          expect(command.usage()).to.contain(argument.name())
        }
      })

      for (const line of examples.filter((each) => each.includes(program.name()))) {
        it(`${name} --help: "${line}" can be typed`, async () => {
          const made = examples.filter((each) => each.startsWith('mkdir '))
          const words = await typed([...made, line].join('\n'), program.name(), home)
          const parsed = await idle(make).parseAsync(words, { from: 'user' })
          expect(parsed.args).to.not.be.empty
        })
      }
    }
  }
})
