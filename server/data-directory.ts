import { chmodSync, existsSync, statSync, unlinkSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { type Config, ConfigError } from './config.js'
import { type Database, openDatabase } from './database/database.js'
import { isDiskFull } from './database/full-disk.js'
import { LOCK_FILES, lockDataDirectory } from './database/lock.js'
import { messageOf } from './error-of.js'
import {
  isSecretMissing,
  makeSecret,
  type Secret,
  secretFromFile,
  secretOf,
  WrongSecret,
} from './secret.js'
import { enclosing } from './storage/backup/inside.js'
import { DATABASE, isBackup } from './storage/backup/set.js'
import { unfinishedRestore } from './storage/backup/unfinished-restore.js'
import { ballastFile } from './storage/disk/ballast.js'
import { namesIn } from './storage/disk/emptiness.js'
import { makeDirectory } from './storage/disk/make-directory.js'
import { unfinished } from './whole-file.js'

const SECRET = 'secret'

/** What a first start that was broken off has made, and what may be put there before it. */
const BEFORE_DATABASE: ReadonlySet<string> = new Set([
  ...[...LOCK_FILES, SECRET, unfinished(SECRET), 'tls'],
  ...['', '-journal', '-wal', '-shm'].map((suffix) => `${DATABASE}${suffix}`),
])

/**
 * Makes the data directory, or closes one that others may enter.
 * @param files of the configuration, which may be there already @throws when it is not for that
 */
export function prepareDataDirectory(
  directory: string,
  uid: number | undefined,
  files: Config['files'] = [],
): void {
  refuseNested(directory)
  try {
    makeDirectory(directory, 0o700)
  } catch (cause) {
    const reason = messageOf(cause)
    throw new ConfigError([`COFFER_DATA must name a directory that can be made: ${reason}`])
  }
  refuseDataDirectory(directory, uid, files)
  closeToOthers(directory)
}

/** @throws when what is there is not to be a data directory */
export function refuseDataDirectory(
  directory: string,
  uid: number | undefined,
  files: Config['files'] = [],
): void {
  refuseNested(directory)
  if (!existsSync(directory)) return
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} is no directory`)
  refuseForeign(directory, uid)
  refuseUnfinished(directory)
  refuseOtherUse(directory, files)
}

/** For all but serving: a command that makes what a slip of the keyboard names answers about nothing. @throws where none is */
export function findDataDirectory(directory: string, uid: number | undefined): void {
  if (existsSync(directory)) refuseForeign(directory, uid)
  refuseUnfinished(directory)
  if (!hasDatabase(directory)) {
    throw new Error(
      `there is no data directory at ${directory}: name the right one by COFFER_DATA or --data ("make serve" has it in .coffer/data of its checkout); "coffer-server serve" makes a new one`,
    )
  }
  refuseNested(directory)
  refuseOtherUse(directory)
  closeToOthers(directory)
}

function refuseNested(directory: string): void {
  const above = enclosing(directory)
  if (above === undefined) return
  throw new Error(
    `${directory} is in ${above}, which is a backup or another data directory (it has a ${DATABASE}): choose a directory outside of it with --data or COFFER_DATA`,
  )
}

function refuseUnfinished(directory: string): void {
  const backup = unfinishedRestore(directory)
  if (backup === undefined) return
  throw new Error(
    `${directory} is being restored from ${backup}, or was until that was broken off: then run "coffer-server --data ${directory} restore ${backup}" again, which begins anew`,
  )
}

function refuseForeign(directory: string, uid: number | undefined): void {
  if (uid === undefined || statSync(directory).uid === uid) return
  throw new Error(
    `${directory} belongs to another user: choose a directory of your own with --data or COFFER_DATA`,
  )
}

/** Nobody else could enter it any more, and what looks like an old content would be removed. */
function refuseOtherUse(directory: string, files: Config['files'] = []): void {
  const refuse = (why: string): never => {
    throw new Error(
      `${directory} ${why}: choose another directory with --data or COFFER_DATA, such as ${join(directory, 'coffer')}`,
    )
  }
  const { mode } = statSync(directory)
  if ((mode & STICKY) !== 0 && (mode & WRITABLE) !== 0) {
    refuse('is shared by several users (it has the sticky bit)')
  }
  if (hasDatabase(directory)) {
    if (!withBallast(directory, () => isBackup(databaseFile(directory)))) return
    throw new Error(
      `${directory} is a backup: make a data directory of it with "coffer-server --data DIRECTORY restore ${directory}"`,
    )
  }
  const given = new Set(files.map((path) => relative(directory, path).split(sep, 1)[0]))
  const other = namesIn(directory).find((name) => !BEFORE_DATABASE.has(name) && !given.has(name))
  if (other !== undefined)
    refuse(`is in use for something else (it has "${other}", and no ${DATABASE})`)
}

/** S_ISVTX of stat(2), which Node does not name. */
const STICKY = 0o1000
/** By others than its owner. */
const WRITABLE = 0o022

function closeToOthers(directory: string): void {
  if ((statSync(directory).mode & 0o077) !== 0) chmodSync(directory, 0o700)
}

/** Where things are in the data directory. */
export function databaseFile(directory: string): string {
  return join(directory, DATABASE)
}

/** An empty file is none: a start that was broken off has made it, or a disk has lost what was in it. */
function hasDatabase(directory: string): boolean {
  const found = statSync(databaseFile(directory), { throwIfNoEntry: false })
  return found !== undefined && found.size > 0
}

/** Opens its database, for who has the directory locked. */
export function openDataDirectory(directory: string): Database {
  return withBallast(directory, () => openDatabase(databaseFile(directory)))
}

/** For all others. What an older version serves is left alone: that goes on to write as it knows it, and could not start again. */
export function openBesideServer(directory: string): Database {
  const alone = () =>
    lockDataDirectory(
      directory,
      `the data directory ${directory} is in use by an older version of coffer-server, and must be brought up to date for this one: stop that server first, and start this one`,
    )
  const database = withBallast(directory, () => openDatabase(databaseFile(directory), alone))
  // Nobody syncs the log for a command: what it says is done survives loss of power.
  database.pragma('synchronous = FULL')
  return database
}

/** On a disk that is full not even that can be opened: then the ballast goes, which a server had left there. */
function withBallast<T>(directory: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    const ballast = ballastFile(directory)
    const isFull = error instanceof Error && isDiskFull(error.cause)
    if (!isFull || !existsSync(ballast)) throw error
    unlinkSync(ballast)
    return open()
  }
}

/**
 * The secret of this server: from the environment, from a file of the owner's, or made in the data directory.
 * @param missing what to do where the data directory is to have it and has none @throws WrongSecret
 */
export function secretOfServer(
  config: Pick<Config, 'data' | 'secret' | 'secretFile'>,
  missing: 'make' | 'refuse',
): Secret {
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
  if (given !== undefined) return secretFromFile(given)
  const path = join(config.data, SECRET)
  if (isSecretMissing(path)) {
    if (missing === 'refuse') throw new WrongSecret()
    makeSecret(path)
  }
  return secretFromFile(path)
}
