import { chmodSync, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, ConfigError } from './config.js'
import { messageOf } from './error-of.js'
import { type Secret, secretFromFile, secretOf } from './secret.js'
import { makeDirectory } from './storage/make-directory.js'

/** Makes the data directory, or closes one that others may enter. @throws when it is somebody else's */
export function prepareDataDirectory(directory: string, uid: number | undefined): void {
  try {
    makeDirectory(directory, 0o700)
  } catch (cause) {
    const reason = messageOf(cause)
    throw new ConfigError([`COFFER_DATA must name a directory that can be made: ${reason}`])
  }
  refuseForeign(directory, uid)
  closeToOthers(directory)
}

/** For all but serving: a command that makes what a slip of the keyboard names answers about nothing. @throws where none is */
export function findDataDirectory(directory: string, uid: number | undefined): void {
  if (existsSync(directory)) refuseForeign(directory, uid)
  if (!existsSync(databaseFile(directory))) {
    throw new Error(
      `there is no data directory at ${directory}: name the right one by COFFER_DATA or --data ("make serve" has it in .coffer/data of its checkout); "coffer-server serve" makes a new one`,
    )
  }
  closeToOthers(directory)
}

function refuseForeign(directory: string, uid: number | undefined): void {
  if (uid === undefined || statSync(directory).uid === uid) return
  throw new Error(
    `${directory} belongs to another user: choose a directory of your own with --data or COFFER_DATA`,
  )
}

function closeToOthers(directory: string): void {
  if ((statSync(directory).mode & 0o077) !== 0) chmodSync(directory, 0o700)
}

/** Where things are in the data directory. */
export function databaseFile(directory: string): string {
  return join(directory, 'coffer.db')
}

/** The secret of this server: from the environment, from a file of the owner's, or made in the data directory. */
export function secretOfServer(config: Pick<Config, 'data' | 'secret' | 'secretFile'>): Secret {
  if (config.secret !== undefined) return secretOf(config.secret)
  const given = config.secretFile
  if (given !== undefined && !existsSync(given)) {
    throw new ConfigError([
      `COFFER_SECRET_FILE must name a file that is there: ${given} is not; make it by "(umask 077; openssl rand -base64 48 > FILE)", or leave it out to have one made in the data directory`,
    ])
  }
  if (given !== undefined && statSync(given).isDirectory()) {
    throw new ConfigError([`COFFER_SECRET_FILE must name a file, not the directory ${given}`])
  }
  return secretFromFile(given ?? join(config.data, 'secret'))
}
