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
  const cases = commands.map(
    (command) => `    ${command.name()}) words="${longOptions(command).join(' ')}" ;;`,
  )
  return `_coffer() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map((command) => command.name()).join(' ')}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -d -- "$current")) ;;
  esac
}
complete -o filenames -F _coffer coffer
`
}

function fish(program: Command): string {
  const lines = visible(program).flatMap((command) => [
    `complete -c coffer -n __fish_use_subcommand -f -a ${command.name()} -d ${fishQuoted(command.description())}`,
    ...command.options.map(
      (option) =>
        `complete -c coffer -n '__fish_seen_subcommand_from ${command.name()}' -l ${option.name()} -d ${fishQuoted(option.description)}${option.required ? ' -r' : ''}`,
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
