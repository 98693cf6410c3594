import type { Argument, Command, Option } from 'commander'

/** What may stand at a place of the command line. */
export type Value =
  | { readonly kind: 'choice'; readonly words: readonly string[] }
  | { readonly kind: 'file' }
  | { readonly kind: 'directory' }
  /** Something that no shell can guess. */
  | { readonly kind: 'unknown' }

export interface CompletedOption {
  /** With the dashes. */
  readonly name: string
  readonly description: string
  /** Absent: it takes none. */
  readonly value?: Value
}

export interface CompletedCommand {
  /** The alias too. */
  readonly names: readonly string[]
  readonly description: string
  readonly options: readonly CompletedOption[]
  /** What its arguments may be, all alike; absent: it has none. */
  readonly argument?: Value
}

const HELP: CompletedOption = { name: '--help', description: 'display help for command' }

export const PROGRAM_OPTIONS: readonly CompletedOption[] = [
  HELP,
  { name: '--version', description: 'output the version number' },
]

/** The commands as shells need them. */
export function commandsOf(program: Command): CompletedCommand[] {
  const commands = program.createHelp().visibleCommands(program)
  const names = commands.map((command) => command.name())
  return commands.map((command) => {
    const argument: Value | undefined =
      command.name() === 'help' ? { kind: 'choice', words: names } : argumentOf(command)
    return {
      names: [command.name(), ...command.aliases()],
      description: command.description(),
      options: [...command.options.flatMap(optionOf), HELP],
      ...(argument === undefined ? {} : { argument }),
    }
  })
}

/** The likeliest: of a URL and a directory the directory. */
function argumentOf({ registeredArguments }: Command): Value | undefined {
  const values = registeredArguments.map(valueOfArgument)
  return values.find(({ kind }) => kind !== 'unknown') ?? values[0]
}

function valueOfArgument(argument: Argument): Value {
  if (argument.argChoices !== undefined) return { kind: 'choice', words: argument.argChoices }
  return { kind: argument.name() === 'directory' ? 'directory' : 'unknown' }
}

function optionOf({ long, description, required, flags, argChoices }: Option): CompletedOption[] {
  if (long === undefined || long === null) return []
  if (!required) return [{ name: long, description }]
  return [{ name: long, description, value: valueOfOption(flags, argChoices) }]
}

function valueOfOption(flags: string, choices: readonly string[] | undefined): Value {
  if (choices !== undefined) return { kind: 'choice', words: choices }
  if (flags.endsWith('<file>')) return { kind: 'file' }
  return { kind: flags.endsWith('<directory>') ? 'directory' : 'unknown' }
}
