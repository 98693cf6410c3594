import type { Command } from 'commander'
import {
  type CompletedCommand,
  type CompletedOption,
  commandsOf,
  PROGRAM_OPTIONS,
  type Value,
} from './words.js'

export function fish(program: Command): string {
  const commands = commandsOf(program)
  const lines = [
    'complete -c coffer -f',
    ...PROGRAM_OPTIONS.map((option) => `complete -c coffer -n ${FIRST} ${optionWords(option)}`),
    ...commands.flatMap(commandLines),
  ]
  return `${lines.join('\n')}\n`
}

const FIRST = `'test (count (commandline -opc)) -eq 1'`

function commandLines({ names, description, options, argument }: CompletedCommand): string[] {
  // The word after "coffer", and no other one: a directory may be named like a command.
  const here = `'contains -- (commandline -opc)[2] ${names.join(' ')}'`
  const given = argument === undefined ? '' : valueWords(argument)
  return [
    ...names.map((name) => `complete -c coffer -n ${FIRST} -a ${name} -d ${quoted(description)}`),
    ...options.map((option) => `complete -c coffer -n ${here} ${optionWords(option)}`),
    ...(given === '' ? [] : [`complete -c coffer -n ${here} ${given}`]),
  ]
}

function optionWords({ name, description, value }: CompletedOption): string {
  const plain = `-l ${name.slice(2)} -d ${quoted(description)}`
  if (value === undefined) return plain
  return value.kind === 'unknown' ? `${plain} -x` : `${plain} -r ${valueWords(value)}`
}

function valueWords(value: Value): string {
  switch (value.kind) {
    case 'choice':
      return `-f -a '${value.words.join(' ')}'`
    case 'file':
      return '-F'
    case 'directory':
      return `-f -a '(__fish_complete_directories (commandline -ct) "")'`
    case 'unknown':
      return ''
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
