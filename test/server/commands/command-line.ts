import { join } from 'node:path'
import { createProgram } from '../../../server/commands/program.js'
import { databaseFile, prepareDataDirectory } from '../../../server/data-directory.js'
import { openDatabase } from '../../../server/database/database.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Outcome, outcome, root } from '../../support/process.js'
import { program } from '../../support/program.js'
import { configuration, sources } from '../running.js'

/** The commands of the server, with a data directory of its own for each test of a suite. */
export function commandLine() {
  let parent: string
  let data: string
  beforeEach(async () => {
    parent = await temporaryDirectory('commands')
    data = join(parent, 'data')
    prepareDataDirectory(data, undefined)
    openDatabase(databaseFile(data)).close()
  })
  afterEach(() => removeDirectory(parent))

  /** In a process of its own, as a person would. */
  function spawned(
    parameters: string[],
    input = '',
    env: NodeJS.ProcessEnv = {},
  ): Promise<Outcome> {
    return outcome(process.execPath, [...program('server'), ...parameters], {
      cwd: root,
      env: { COFFER_DATA: data, ...env },
      input,
    })
  }

  /** The same in this process: several commands in a test take a moment, not a minute. */
  async function coffer(
    parameters: string[],
    input = '',
    environment: Record<string, string> = {},
  ): Promise<Outcome> {
    const output: string[] = []
    let status = 0
    const program = createProgram(
      (flags) => ({
        config: () => configuration(data, { environment, flags: flags() }),
        sources: () => sources(data, { environment, flags: flags() }),
        invocation: [process.execPath],
        clock: () => new Date(),
        uid: undefined,
        readInput: async () => input,
        print: (line) => output.push(line),
        fail: (given) => {
          status = given
        },
      }),
      { onStop: () => {}, onReload: () => {}, ready: () => {} },
      '0',
    )
    for (const command of [
      program,
      ...program.commands.flatMap((each) => [each, ...each.commands]),
    ]) {
      command.exitOverride().configureOutput({ writeErr: () => {} })
    }
    const failed = (error: Error) => ({
      status: 1,
      stdout: output.join('\n'),
      stderr: error.message,
    })
    const done = () => ({ status, stdout: output.join('\n'), stderr: '' })
    return program.parseAsync(parameters, { from: 'user' }).then(done, failed)
  }

  return {
    /** Has the data directory, and room beside it. */
    get parent() {
      return parent
    },
    get data() {
      return data
    },
    spawned,
    coffer,
  }
}
