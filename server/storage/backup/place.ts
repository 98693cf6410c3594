import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { knowsBackup } from '../../database/backups.js'
import type { Database } from '../../database/database.js'
import { identityOf, knownIdentityOf } from '../../database/identity.js'
import { LOCK_FILES } from '../../database/lock.js'
import { namesIn } from '../disk/emptiness.js'
import { enclosing, isInside } from './inside.js'
import { DATABASE, isBackup, openBackup } from './set.js'

/** @throws where a backup, a data directory or another backup would lie in each other */
export function refuseNested(to: string, directory: string): void {
  if (isInside(to, directory)) {
    throw new Error(`${to} is in the data directory: a backup must be outside of it`)
  }
  if (isInside(directory, to)) {
    throw new Error(`${to} has the data directory in it: choose another directory`)
  }
  const above = enclosing(to)
  if (above === undefined) return
  throw new Error(
    `${to} is in ${above}, which is a backup or a data directory (it has a ${DATABASE}): choose a directory outside of it`,
  )
}

/** What no backup needs is removed from it in the end, and nobody looks for a backup among files of another kind. */
export function refuseWhatIsNoBackup(to: string, database: Database): void {
  if (existsSync(join(to, DATABASE))) {
    if (!isBackup(join(to, DATABASE))) {
      throw new Error(`${to} has a ${DATABASE} that is no backup: choose another directory`)
    }
    refuseAnothers(to, database)
    return
  }
  // one that was broken off
  if (existsSync(join(to, `${DATABASE}.new`))) return
  const found = namesIn(to).find((name) => !LOCK_FILES.includes(name))
  if (found === undefined) return
  throw new Error(
    `${to} is not empty and has no backup: it has "${found}"; choose a directory that is new, empty, or an earlier backup`,
  )
}

/** Contents go by numbers that each data directory gives out by itself: those of another one would be taken for its own. */
function refuseAnothers(to: string, database: Database): void {
  const backup = openBackup(join(to, DATABASE), 'read')
  try {
    const known = knownIdentityOf(backup)
    if (known !== undefined && known !== identityOf(database)) {
      throw new Error(`${to} has the backup of another data directory: choose another directory`)
    }
    if (knowsBackup(database, backup)) return
    throw new Error(
      `${to} has gone on without this data directory: one of them was restored, copied or put back to an earlier state, and the other one has made the backup that is there; choose another directory for the backups of this one`,
    )
  } finally {
    backup.close()
  }
}
