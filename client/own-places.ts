import { opendir } from 'node:fs/promises'
import { briefly, TooLate } from './briefly.js'
import { CommandError } from './command-error.js'
import type { ClientConfig } from './config.js'

const HANGING_MILLISECONDS = 10_000

/** What is wrong with a place shows when it is used; but nobody is to wait for a disk that hangs without a word. @throws CommandError */
export async function refuseHanging(
  config: Pick<ClientConfig, 'configDirectory' | 'stateDirectory'>,
): Promise<void> {
  await Promise.all([
    refuse(config.configDirectory, 'COFFER_CONFIG_DIR'),
    refuse(config.stateDirectory, 'COFFER_STATE_DIR'),
  ])
}

async function refuse(directory: string, variable: string): Promise<void> {
  // Attributes may be remembered; to open it the disk is asked.
  const looked = opendir(directory).then(
    (found) => found.close(),
    () => {},
  )
  try {
    await briefly(looked, HANGING_MILLISECONDS)
  } catch (cause) {
    if (!(cause instanceof TooLate)) throw cause
    const why = `${directory} gives no answer within ${HANGING_MILLISECONDS / 1000} s`
    throw new CommandError(`${why}: its disk hangs; ${variable} names another place`, { cause })
  }
}
