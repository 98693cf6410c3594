import { resolve } from 'node:path'
import { serverUrl } from '../config.js'
import { serverBase } from '../login/account.js'
import { mountDirectory } from './mount-directory.js'
import type { Surroundings } from './surroundings.js'
import { systemdUnit } from './systemd-unit.js'

const SETTINGS = {
  COFFER_CA: 'path',
  COFFER_CONFIG_DIR: 'path',
  COFFER_DATA: 'path',
  COFFER_STATE_DIR: 'path',
  COFFER_TOKEN_STORE: 'word',
  XDG_CONFIG_HOME: 'path',
  XDG_STATE_HOME: 'path',
} as const

export async function unitCommand(
  url: string,
  directory: string,
  { program, terminal, workingDirectory }: Surroundings,
): Promise<void> {
  const { executable, executableArguments, script, environment } = program
  const command = [executable, ...executableArguments, script]
  const settings = Object.fromEntries(
    Object.entries(SETTINGS).flatMap(([name, kind]) => {
      const value = environment[name]
      if (!value) return []
      return [[name, kind === 'path' ? resolve(workingDirectory, value) : value]]
    }),
  )
  const point = await mountDirectory(directory, workingDirectory)
  terminal.print(systemdUnit(command, serverBase(serverUrl(url)), point, settings))
}
