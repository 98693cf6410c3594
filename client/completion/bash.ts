import type { Command } from 'commander'
import { commandsOf, PROGRAM_OPTIONS, type Value } from './words.js'

export function bash(program: Command): string {
  const commands = commandsOf(program)
  const cases = commands.map(({ names, options, argument }) => {
    const rest = argument === undefined ? '' : `; rest=${quoted(generator(argument))}`
    const listed = options.map(({ name }) => name).join(' ')
    return `    ${names.map((name) => `"1 ${name}"`).join('|')}) options="${listed}"${rest} ;;`
  })
  const values = new Map(
    commands
      .flatMap(({ options }) => options)
      .flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const])),
  )
  const first = commands.flatMap(({ names }) => names).join(' ')
  // Replies are separated by lines, for names may have blanks. "--name=value" comes as three words.
  return `_coffer() {
  local IFS=$'\\n' current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local options="${PROGRAM_OPTIONS.map(({ name }) => name).join(' ')}" rest="" generate=""
  if [ "$current" = = ]; then
    current=""
  elif [ "$previous" = = ]; then
    previous="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  case "$((COMP_CWORD > 1)) \${COMP_WORDS[1]}" in
    0*) rest='-W "${first}"' ;;
${cases.join('\n')}
  esac
  case "$current" in
    -*) generate='-W "$options"' ;;
    *) generate="$rest" ;;
  esac
  case "$previous" in
${[...values].map(([name, value]) => `    ${name}) generate=${quoted(generator(value))} ;;`).join('\n')}
  esac
  COMPREPLY=()
  case "$generate" in
    "") return ;;
    -W*) IFS=$' \\n'; COMPREPLY=($(eval compgen "$generate" -- '"$current"')) ;;
    *) compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen $generate -- "$current")) ;;
  esac
}
complete -F _coffer coffer
`
}

/** For compgen */
function generator(value: Value): string {
  switch (value.kind) {
    case 'choice':
      return `-W "${value.words.join(' ')}"`
    case 'file':
      return '-f'
    case 'directory':
      return '-d'
    case 'unknown':
      return ''
  }
}

function quoted(text: string): string {
  return `'${text}'`
}
