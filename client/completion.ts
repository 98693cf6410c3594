import type { Command } from 'commander'
import { CommandError } from './command-error.js'

/** Scripts that complete commands, options and directories; made from the commands themselves. */
const SCRIPTS: Readonly<Record<string, (program: Command) => string>> = {
  bash,
  zsh: (program) => `autoload -U +X bashcompinit && bashcompinit\n${bash(program)}`,
  fish,
}

export const SHELLS = Object.keys(SCRIPTS)

export function completion(program: Command, shell: string): string {
  const script = SCRIPTS[shell]
  if (script === undefined) throw new CommandError(`the shell must be one of ${SHELLS.join(', ')}`)
  return script(program)
}

function bash(program: Command): string {
  const commands = visible(program)
  const names = commands.flatMap((command) => [command.name(), ...command.aliases()])
  const cases = commands.map((command) => {
    const [first] = command.registeredArguments
    const words = first?.argChoices ?? (command.name() === 'help' ? names : [])
    return `    ${[command.name(), ...command.aliases()].join('|')}) options="${longOptions(command).join(' ')} --help"; words="${words.join(' ')}" ;;`
  })
  return `_coffer() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" options="--help --version" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${names.join(' ')}"
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  case "$previous" in
${values(commands).join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$current")); else COMPREPLY=($(compgen -d -- "$current")); fi ;;
  esac
}
complete -o filenames -F _coffer coffer
`
}

/** What stands behind an option: one of its choices, a file, a directory, or something nobody can guess. */
function values(commands: readonly Command[]): string[] {
  const options = commands.flatMap((command) => command.options.filter(({ required }) => required))
  const cases = new Map(
    options.map(({ long, flags, argChoices }) => {
      if (argChoices !== undefined) return [long, `-W "${argChoices.join(' ')}" --`]
      if (flags.endsWith('<file>')) return [long, '-f --']
      if (flags.endsWith('<directory>')) return [long, '-d --']
      return [long, undefined]
    }),
  )
  return [...cases].map(([long, generator]) => {
    const found = generator === undefined ? '' : `COMPREPLY=($(compgen ${generator} "$current")); `
    return `    ${long}) ${found}return ;;`
  })
}

function fish(program: Command): string {
  const lines = visible(program).flatMap((command) => [
    `complete -c coffer -n __fish_use_subcommand -f -a ${command.name()} -d ${fishQuoted(command.description())}`,
    ...command.options.map(
      (option) =>
        `complete -c coffer -n '__fish_seen_subcommand_from ${command.name()}' -l ${(option.long ?? '').slice(2)} -d ${fishQuoted(option.description)}${option.required ? ' -r' : ''}${option.argChoices === undefined ? '' : ` -f -a '${option.argChoices.join(' ')}'`}`,
    ),
    ...command.registeredArguments.flatMap(({ argChoices }) =>
      argChoices === undefined
        ? []
        : [
            `complete -c coffer -n '__fish_seen_subcommand_from ${command.name()}' -f -a '${argChoices.join(' ')}'`,
          ],
    ),
  ])
  return `${lines.join('\n')}\n`
}

function visible(program: Command): Command[] {
  return program.createHelp().visibleCommands(program)
}

function longOptions(command: Command): string[] {
  return command.options.map((option) => option.long ?? '').filter((name) => name !== '')
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
