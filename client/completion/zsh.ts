import type { Command } from 'commander'
import {
  type CompletedCommand,
  type CompletedOption,
  commandsOf,
  PROGRAM_OPTIONS,
  type Value,
} from './words.js'

/** To be sourced after compinit, or put into a directory of fpath as _coffer (zshcompsys). */
export function zsh(program: Command): string {
  const commands = commandsOf(program)
  const described = commands.flatMap(({ names, description }) =>
    names.map((name) => `    ${quoted(`${name}:${description}`)}`),
  )
  return `#compdef coffer
_coffer() {
  local context state state_descr line
  local -A opt_args
  local -a commands
  commands=(
${described.join('\n')}
  )
  _arguments -C ${PROGRAM_OPTIONS.map(optionSpec).join(' ')} '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe -t commands command commands ;;
    argument)
      case $line[1] in
${commands.map(commandCase).join('\n')}
      esac ;;
  esac
}
if [ "$funcstack[1]" = _coffer ]; then
  _coffer "$@"
else
  compdef _coffer coffer
fi
`
}

function commandCase({ names, options, argument }: CompletedCommand): string {
  const rest = argument === undefined ? [] : [quoted(`*:argument:${action(argument)}`)]
  return `        ${names.join('|')}) _arguments ${[...options.map(optionSpec), ...rest].join(' ')} ;;`
}

/** `--name=[description]:message:action`: the value in the same word or the next */
function optionSpec({ name, description, value }: CompletedOption): string {
  const told = `[${description.replaceAll(/[\\[\]:]/g, (special) => `\\${special}`)}]`
  if (value === undefined) return quoted(`${name}${told}`)
  return quoted(`${name}=${told}:value:${action(value)}`)
}

function action(value: Value): string {
  switch (value.kind) {
    case 'choice':
      return `(${value.words.join(' ')})`
    case 'file':
      return '_files'
    case 'directory':
      return '_files -/'
    case 'unknown':
      return ' '
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
