import type { Command } from 'commander'
import { ConfigError, parseConfig, type Sources } from '../config.js'
import { givenFlags } from '../given-flags.js'
import { systemdUnit } from '../systemd-unit.js'
import type { CommandLine } from './workbench.js'

/** How it was started, which a unit is to do again. */
export interface Start {
  /** Of the configuration. */
  readonly sources: () => Sources
  /** node, what it was given for itself, and the script. */
  readonly invocation: readonly string[]
}

/** unit: prints, and installs nothing. */
export function unitCommand(program: Command, line: Pick<CommandLine, 'print'> & Start): void {
  program
    .command('unit')
    .description('print a unit for systemd that keeps a server running with these settings')
    .option('--system', 'for the manager of the machine, with a user "coffer", instead of your own')
    .action(({ system }: { system?: true }) => {
      const sources = system ? ofMachine(line.sources()) : line.sources()
      const config = parseConfig(sources)
      const { data, secretFile, port, shutdownGraceSeconds } = config
      const broken = [data, secretFile].find((path) => path !== undefined && /[\n\r]/.test(path))
      if (broken !== undefined) {
        throw new ConfigError([`no unit can name ${JSON.stringify(broken)}: it has a line break`])
      }
      const flags = givenFlags(config, sources)
      const served = { command: line.invocation, flags, data, secretFile, port }
      const manager = system ? 'system' : 'user'
      line.print(systemdUnit({ ...served, shutdownGraceSeconds }, manager))
    })
}

/** Where a server of the machine has its data unless it is told: in nobody's home. */
function ofMachine(given: Sources): Sources {
  const environment = { ...given.environment, XDG_DATA_HOME: '/var/lib' }
  return { flags: given.flags, readFile: given.readFile, home: '/', environment }
}
