import type { Command } from 'commander'
import { CommandError } from '../command-error.js'
import { bash } from './bash.js'
import { fish } from './fish.js'
import { zsh } from './zsh.js'

/** Scripts that complete commands, options and their values; made from the commands themselves. */
const SCRIPTS: Readonly<Record<string, (program: Command) => string>> = { bash, zsh, fish }

export const SHELLS = Object.keys(SCRIPTS)

export function completion(program: Command, shell: string): string {
  const script = SCRIPTS[shell]
  if (script === undefined) throw new CommandError(`the shell must be one of ${SHELLS.join(', ')}`)
  return script(program)
}
