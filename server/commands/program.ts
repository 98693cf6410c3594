import { Command } from 'commander'
import { SETTINGS } from '../settings.js'
import { auditCommands } from './audit.js'
import { backupCommands } from './backup.js'
import { clientCommands } from './client.js'
import { showExamples } from './examples.js'
import { fsckCommand } from './fsck.js'
import { keyCommands } from './key.js'
import { type Signals, serveCommand } from './serve.js'
import { treeCommands } from './tree.js'
import { type Start, unitCommand } from './unit.js'
import { userCommands } from './user.js'
import type { CommandLine } from './workbench.js'

/** The command line of coffer-server; settings are the same for every command. */
export function createProgram(
  line: (flags: () => Record<string, unknown>) => CommandLine & Start,
  signals: Signals,
  version: string,
): Command {
  const program = new Command('coffer-server')
    .description('A secure file server that is mounted as a local drive')
    .version(version)
    .showHelpAfterError('(coffer-server --help shows how)')
    .option('--config <file>', 'a JSON file with settings')
    .option('--accept-issuer-change', 'start although the issuer is another one than at first')
    .option('--accept-secret-change', 'start although the secret is lost: with new signing keys')
  for (const setting of Object.values(SETTINGS)) {
    if ('flag' in setting) program.option(setting.flag, setting.help)
  }
  const commandLine = line(() => program.opts())
  serveCommand(program, commandLine, signals)
  userCommands(program, commandLine)
  clientCommands(program, commandLine)
  keyCommands(program, commandLine)
  auditCommands(program, commandLine)
  fsckCommand(program, commandLine)
  backupCommands(program, commandLine)
  treeCommands(program, commandLine)
  unitCommand(program, commandLine)
  showExamples(program)
  program.addHelpText(
    'after',
    '\nEvery setting may also be in the environment, such as COFFER_PORT, or in the file that COFFER_CONFIG or --config names.',
  )
  return program
}
