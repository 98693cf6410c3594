import { serverBase } from '../account.js'
import { serverUrl } from '../config.js'
import { mountDirectory } from '../mount-directory.js'
import { systemdUnit } from '../systemd-unit.js'
import type { Surroundings } from './surroundings.js'

export async function unitCommand(
  url: string,
  directory: string,
  { program, terminal, workingDirectory }: Surroundings,
): Promise<void> {
  const { executable, executableArguments, script } = program
  const command = [executable, ...executableArguments, script]
  const point = await mountDirectory(directory, workingDirectory)
  terminal.print(systemdUnit(command, serverBase(serverUrl(url)), point))
}
