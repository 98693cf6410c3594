import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { noteBackup } from '../../database/backups.js'
import type { Database } from '../../database/database.js'
import type { InodeRow } from '../../database/files/inode-rows.js'
import { fileStatements } from '../../database/files/statements.js'
import { isDiskFull } from '../../database/full-disk.js'
import { identityOf } from '../../database/identity.js'
import { lockBackup } from '../../database/lock.js'
import { STORED } from '../content/stored.js'
import { contentPath } from '../disk/content-path.js'
import { isErrno, nodeDisk } from '../disk/disk.js'
import { makeDirectory } from '../disk/make-directory.js'
import { copyHashed, hashOf } from './hashed.js'
import { heldSnapshot } from './held-snapshot.js'
import { refuseNested, refuseWhatIsNoBackup } from './place.js'
import { backupContentPath, CONTENT, contentList, DATABASE, FILES, openBackup } from './set.js'
import { syncFolders } from './sync-folders.js'

export interface BackupOptions {
  /** The data directory, whose server may run. */
  readonly directory: string
  readonly database: Database
  /** A new directory, or an earlier backup, to which only what is new is added. */
  readonly to: string
  /** Files of the data directory that go with it, such as its secret; those that are not there are left out. */
  readonly also: readonly string[]
  readonly clock: () => Date
  /** Also reads what an earlier backup has already, there and here, and tells what a disk has changed. */
  readonly verify?: (found: ChangedContent) => void
}

/** A content whose bytes are not those that the earlier backup was made of. */
export interface ChangedContent {
  readonly ino: number
  /** In the backup: it is copied again. On the server: the backup keeps what it has. */
  readonly where: 'backup' | 'server' | 'both'
}

export interface BackupReport {
  readonly contents: number
  /** Of these, the ones that had to be copied. */
  readonly copied: number
  readonly bytes: number
}

/** How long a server holds contents for a backup that is not heard of, and how often it is heard of. */
const HOLD_SECONDS = 15 * 60
const EXTEND_SECONDS = 60
const PAGE = 1000

/**
 * Copies everything as it is at one moment, while the server goes on: it neither removes nor overwrites what the moment
 * needs (hold.ts). The backup that was there is whole until the new one is.
 */
export async function backup(options: BackupOptions): Promise<BackupReport> {
  const { database, to } = options
  refuseNested(to, options.directory)
  makeDirectory(to, 0o700)
  refuseWhatIsNoBackup(to, database)
  const lock = lockBackup(to)
  try {
    refuseWhatIsNoBackup(to, database) // another one may have ended meanwhile
    identityOf(database)
    noteBackup(database)
    return await make(options)
  } finally {
    lock.release()
  }
}

async function make(options: BackupOptions): Promise<BackupReport> {
  const { database, to, clock } = options
  const sql = fileStatements(database)
  const now = () => Math.floor(clock().getTime() / 1000)
  const hold = heldSnapshot(database, `${join(to, DATABASE)}.new`, now() + HOLD_SECONDS)
  let heard = now()
  const extend = () => {
    if (now() < heard + EXTEND_SECONDS) return
    heard = now()
    sql.extendHold.run(heard + HOLD_SECONDS, hold.id)
  }
  try {
    return await copyAll(options, extend)
  } catch (cause) {
    if (!isDiskFull(cause)) throw cause
    throw new Error(`the disk of ${to} is full`, { cause })
  } finally {
    sql.deleteHold.run(hold.id, now())
  }
}

async function copyAll(options: BackupOptions, extend: () => void): Promise<BackupReport> {
  const { directory, to, also, verify } = options
  const path = join(to, DATABASE)
  const next = `${path}.new`
  const earlier = existsSync(path) ? openBackup(path, 'read') : undefined
  const snapshot = openBackup(next, 'write')
  const report = { contents: 0, copied: 0, bytes: 0 }
  try {
    // One transaction for all of it, or each content would wait for the disk; what a crash leaves is made anew, and needs no journal.
    snapshot.pragma('journal_mode = MEMORY')
    snapshot.exec('BEGIN')
    const list = contentList(snapshot, 'make')
    const known = earlier === undefined ? undefined : contentList(earlier, 'read').find
    for await (const content of contentsOf(snapshot)) {
      extend()
      const { generation, bytes, reusable } = content
      const version = reusable === 1 ? content.version : versionOfNoOther()
      const file = backupContentPath(to, generation, version)
      const before = known?.get(generation, version)
      const isThere =
        before?.reusable === 1 && before.bytes === bytes && (await sizeOf(file)) === bytes
      const source = contentPath(join(directory, CONTENT), generation)
      const changed =
        isThere && verify !== undefined
          ? await whereChanged(source, file, bytes, before.sha256)
          : undefined
      if (changed !== undefined) verify?.({ ino: content.ino, where: changed })
      const isGood = isThere && (changed === undefined || changed === 'server')
      const sha256 = isGood ? before.sha256 : await copyHashed(source, file, bytes)
      list.add.run(generation, version, bytes, sha256, reusable)
      report.contents += 1
      report.bytes += bytes
      if (!isGood) report.copied += 1
    }
    await mkdir(join(to, FILES), { recursive: true, mode: 0o700 })
    for (const name of also) {
      const from = join(directory, name)
      if (existsSync(from))
        list.addFile.run(name, await copyFileOfServer(from, join(to, FILES, name)))
    }
    snapshot.exec('COMMIT')
  } finally {
    snapshot.close()
    earlier?.close()
  }
  await syncFolders(join(to, CONTENT))
  await rename(next, path)
  await nodeDisk.syncFolder(to)
  await removeUnlisted(to)
  return report
}

/** What is there stays as it is until all of another one is, for the earlier backup is nothing without it. */
async function copyFileOfServer(from: string, to: string): Promise<string> {
  const { size } = await stat(from)
  const sha256 = await hashOf(from, size)
  if ((await sizeOf(to)) === size && (await isAs(to, size, sha256))) return sha256
  const next = `${to}.new`
  const copied = await copyHashed(from, next, size)
  await rename(next, to)
  await nodeDisk.syncFolder(dirname(to))
  return copied
}

/**
 * While a write is under way its content changes and keeps its version: the next backup has other bytes of it, which must not
 * go over those that the earlier one lists. No inode has a version below 0.
 */
function versionOfNoOther(): number {
  return -randomInt(1, 2 ** 48 - 1)
}

async function whereChanged(
  source: string,
  copy: string,
  bytes: number,
  sha256: string,
): Promise<ChangedContent['where'] | undefined> {
  const here = !(await isAs(source, bytes, sha256))
  const there = !(await isAs(copy, bytes, sha256))
  if (here) return there ? 'both' : 'server'
  return there ? 'backup' : undefined
}

/** What is missing, shorter, or cannot be read any more has changed, too. */
async function isAs(path: string, bytes: number, sha256: string): Promise<boolean> {
  try {
    return (await sizeOf(path)) >= bytes && (await hashOf(path, bytes)) === sha256
  } catch (error) {
    if (isErrno(error, 'EIO')) return false
    throw error
  }
}

interface Wanted {
  /** 0 for what an unfinished write has saved. */
  readonly ino: number
  readonly generation: number
  readonly version: number
  readonly bytes: number
  readonly reusable: 0 | 1
}

/** Every content the snapshot needs: those of inodes, and what unfinished writes have saved. */
async function* contentsOf(snapshot: Database): AsyncGenerator<Wanted> {
  const sql = fileStatements(snapshot)
  let last = 0
  for (;;) {
    const page: InodeRow[] = sql.inodesAfter.all(last, PAGE)
    for (const { ino, stored, generation, version, size } of page) {
      last = ino
      if (stored !== STORED.file) continue
      const reusable = sql.undo.all(ino).length === 0 ? 1 : 0
      yield { ino, generation, version, bytes: size, reusable }
    }
    if (page.length === 0) break
  }
  const spools = snapshot.prepare<[], { generation: number; bytes: number }>(
    `SELECT spool AS generation, max(spool_position + length) AS bytes FROM undo
     WHERE spool IS NOT NULL GROUP BY spool`,
  )
  for (const { generation, bytes } of spools.all()) {
    yield { ino: 0, generation, version: 0, bytes, reusable: 0 }
  }
}

/** -1 where nothing is. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch {
    return -1
  }
}

/** Contents that only an earlier backup needed. */
async function removeUnlisted(backup: string): Promise<void> {
  const root = join(backup, CONTENT)
  if (!existsSync(root)) return
  const database = openBackup(join(backup, DATABASE), 'read')
  try {
    const { find } = contentList(database, 'read')
    for (const high of await readdir(root)) {
      for (const folder of await readdir(join(root, high))) {
        for (const name of await readdir(join(root, high, folder))) {
          const [generation = '', version] = name.split('.')
          if (find.get(Number.parseInt(generation, 16), Number(version)) !== undefined) continue
          await rm(join(root, high, folder, name))
        }
      }
    }
  } finally {
    database.close()
  }
}
