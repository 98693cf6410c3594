import { existsSync } from 'node:fs'
import { copyFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Database, openDatabase } from '../../database/database.js'
import { LOCK_FILES, lockDataDirectory } from '../../database/lock.js'
import { numberAt } from '../../database/number-at.js'
import { forgetAuthorizations } from '../../database/restored.js'
import { putBackAll } from '../content/undo.js'
import { createEngine } from '../create-engine.js'
import { contentPath } from '../disk/content-path.js'
import { nodeDisk } from '../disk/disk.js'
import { makeDirectory } from '../disk/make-directory.js'
import { type Finding, fsck } from '../maintenance/fsck.js'
import { copyHashed } from './hashed.js'
import {
  backupContentPath,
  CONTENT,
  contentList,
  DATABASE,
  DROP_FILE_TABLE,
  DROP_TABLE,
  FILES,
  isBackup,
  openBackup,
} from './set.js'
import { syncFolders } from './sync-folders.js'
import { beginRestore, endRestore, refuseUsed, removeRestored } from './unfinished-restore.js'

export interface RestoreReport {
  readonly contents: number
  readonly bytes: number
}

/**
 * Numbers that a server gave out after the backup, and that its clients remember, must not come to mean something
 * else: everything counts on from far beyond. How far says the time, and this if the clock is wrong.
 */
const BEYOND = 1_000_000_000

/**
 * Makes a data directory from a backup, and proves it: every content has the checksum it had, and fsck finds nothing.
 * Nobody stays logged in. What a restore that was broken off has left there is made anew.
 * @param to must be missing or empty @throws Error; then nothing is left of it
 */
export async function restore(
  backup: string,
  to: string,
  clock: () => Date,
): Promise<RestoreReport> {
  refuseNoBackup(backup)
  refuseUsed(to)
  const isNew = !existsSync(to)
  makeDirectory(to, 0o700)
  const lock = lockDataDirectory(to)
  try {
    refuseUsed(to) // another one may have ended meanwhile
    try {
      await removeRestored(to)
      await beginRestore(to, backup)
      return await fill(backup, to, clock())
    } catch (error) {
      await removeRestored(to)
      for (const name of LOCK_FILES) await rm(join(to, name), { force: true })
      if (isNew) await rmdir(to)
      throw error
    }
  } finally {
    lock.release()
  }
}

function refuseNoBackup(backup: string): void {
  if (!existsSync(join(backup, DATABASE))) {
    throw new Error(`${backup} is no backup: it has no ${DATABASE}`)
  }
  if (!isBackup(join(backup, DATABASE))) {
    throw new Error(
      `${backup} is no backup: its ${DATABASE} is that of a data directory, or damaged`,
    )
  }
}

async function fill(backup: string, to: string, now: Date): Promise<RestoreReport> {
  const part = join(to, `${DATABASE}.part`)
  const path = join(backup, DATABASE)
  const before = await stat(path, { bigint: true })
  // First: the next backup may replace it, and then it lists other contents.
  await copyFile(path, part)
  const report = await copyContents(backup, part, to).catch(async (cause) => {
    const { ino, mtimeNs } = await stat(path, { bigint: true })
    if (ino === before.ino && mtimeNs === before.mtimeNs) throw cause
    // It has removed what it does not need.
    throw new Error(
      `another backup was made in ${backup} meanwhile: restore again, which takes that one, and let none be made there until it is done`,
      { cause },
    )
  })
  const database = openDatabase(part)
  try {
    restart(database, now)
    await prove(database, to)
    database.pragma('wal_checkpoint(TRUNCATE)')
    database.pragma('journal_mode = DELETE')
  } finally {
    database.close()
  }
  await syncFolders(join(to, CONTENT))
  await rename(part, join(to, DATABASE))
  await endRestore(to)
  return report
}

async function copyContents(backup: string, part: string, to: string): Promise<RestoreReport> {
  const database = openBackup(part, 'read')
  const report = { contents: 0, bytes: 0 }
  try {
    const list = contentList(database, 'read')
    for (const { generation, version, bytes, sha256 } of list.all.iterate()) {
      const from = backupContentPath(backup, generation, version)
      await copyProved(from, contentPath(join(to, CONTENT), generation), bytes, sha256)
      report.contents += 1
      report.bytes += bytes
    }
    for (const { path, sha256 } of list.files.all()) {
      const from = join(backup, FILES, path)
      await copyProved(from, join(to, path), (await stat(from)).size, sha256)
      await nodeDisk.syncFolder(dirname(join(to, path)))
    }
    return report
  } finally {
    database.close()
  }
}

async function copyProved(from: string, to: string, bytes: number, sha256: string): Promise<void> {
  const copied = await copyHashed(from, to, bytes)
  if (copied !== sha256) throw new Error(`${from} is damaged: its SHA-256 is ${copied}`)
}

/** The database of another life of the server: no token, no number and no log of the old one counts. */
function restart(database: Database, now: Date): void {
  const least = numberAt(now)
  const goOn = (table: string, column: string) =>
    database
      .prepare(
        `UPDATE ${table} SET ${column} = iif(${column} < :least, :least, ${column} + :beyond)`,
      )
      .run({ least, beyond: BEYOND })
  database.transaction(() => {
    database.exec(
      `${DROP_TABLE}; ${DROP_FILE_TABLE}; DELETE FROM holds; DELETE FROM changes; DELETE FROM uploads`,
    )
    goOn('counters', 'value')
    goOn('inodes', 'version')
    goOn('trees', 'seq')
    forgetAuthorizations(database)
  })()
}

/** Puts back writes that were under way, then looks at everything. */
async function prove(database: Database, directory: string): Promise<void> {
  const engine = createEngine({ directory, database })
  await putBackAll(engine)
  await engine.contents.close()
  engine.durability.close()
  await engine.checkpoints.close()
  const findings: Finding[] = []
  const report = (finding: Finding) => {
    if (findings.length < 10) findings.push(finding)
  }
  const { found } = await fsck({ directory, database, mode: 'check', report })
  const [first] = findings
  if (found > 0) throw new Error(`the backup has ${found} faults, such as: ${first?.text}`)
}
