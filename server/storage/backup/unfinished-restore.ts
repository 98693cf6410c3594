import { existsSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { LOCK_FILES } from '../../database/lock.js'
import { nodeDisk } from '../disk/disk.js'
import { namesIn } from '../disk/emptiness.js'
import { DATABASE } from './set.js'

/** The first file of a directory that a backup is restored to, which goes when the last is there. */
const MARK = 'restoring'

/** The backup that a directory is being made of, or was when that was broken off. Once it has its database, all is there. */
export function unfinishedRestore(directory: string): string | undefined {
  const mark = join(directory, MARK)
  if (!existsSync(mark) || existsSync(join(directory, DATABASE))) return undefined
  return readFileSync(mark, 'utf8').trim() || 'DIRECTORY'
}

export async function beginRestore(directory: string, backup: string): Promise<void> {
  await writeFile(join(directory, MARK), `${resolve(backup)}\n`, { mode: 0o600, flush: true })
  await nodeDisk.syncFolder(directory)
}

export async function endRestore(directory: string): Promise<void> {
  await nodeDisk.syncFolder(directory)
  await rm(join(directory, MARK))
  await nodeDisk.syncFolder(directory)
}

/** After one that was killed when all but that was done: should the database get lost, nobody is to take the rest for unfinished. */
export async function endWholeRestore(directory: string): Promise<void> {
  if (existsSync(join(directory, MARK)) && existsSync(join(directory, DATABASE))) {
    await endRestore(directory)
  }
}

/** @throws where something is that no restore has left */
export function refuseUsed(directory: string): void {
  const names = existsSync(directory) ? namesIn(directory) : []
  const others = names.filter((name) => !LOCK_FILES.includes(name))
  if (others.length === 0) return
  if (unfinishedRestore(directory) === undefined) {
    throw new Error(`${directory} is not empty: restore into a new directory, and serve that one`)
  }
  const strange = others.find((name) => !isOfRestore(name))
  if (strange === undefined) return
  throw new Error(
    `${directory} has "${strange}", which the unfinished restore there has not made: move it away first`,
  )
}

function isOfRestore(name: string): boolean {
  return [MARK, 'content', 'secret', 'tls'].includes(name) || name.startsWith(`${DATABASE}.part`)
}

/** Removes all that a restore has made. */
export async function removeRestored(directory: string): Promise<void> {
  const kept: readonly string[] = [MARK, ...LOCK_FILES]
  for (const name of namesIn(directory)) {
    if (!kept.includes(name)) await rm(join(directory, name), { recursive: true })
  }
  await rm(join(directory, MARK), { force: true })
}
