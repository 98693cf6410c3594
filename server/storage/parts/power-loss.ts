import { readFileSync } from 'node:fs'
import type { Database } from '../../database/database.js'
import { unlessFull } from '../../database/full-disk.js'
import { numberAt } from '../../database/number-at.js'
import { settings } from '../../database/settings.js'

/** More than is given out in the time that the end of the log may be lost of. */
const LOST_NUMBERS = 2 ** 30
/** The same of changes to a tree, which is less than it keeps (ChangeLog): those from before stay known. */
export const LOST_CHANGES = 50_000

const ORDERLY = ''

/** Which run of its kernel a machine is in (random(4)); undefined where that cannot be known. */
export function bootOfMachine(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return undefined
  }
}

/**
 * To be called before anything is given out: with the power, the end of the log is lost that was not synced, and with it what clients were told of.
 * Numbers, versions and places in the log of changes must not come to mean something else to them: all go on from beyond. After `kill -9` nothing is
 * lost, which the machine tells by still being in the same run.
 *
 * That the disk was put back to an earlier state, as a snapshot of it, nothing tells. So numbers go on from what the time says at each start but the first: a
 * journal of a mount takes the file that has the number it was given for its own. Versions count on, for mounts tell by them what others did: they forget
 * what they have of contents when another process serves them.
 */
export function beginRun(database: Database, boot: string | undefined, now: Date): void {
  const known = settings(database)
  const before = known.get('run')
  const isLost = before !== undefined && before !== ORDERLY && before !== boot
  // Should this be lost, so is all that is given out from now on: it has to be on the disk.
  const synchronous = database.pragma('synchronous', { simple: true })
  database.pragma('synchronous = FULL')
  try {
    const least = numberAt(now)
    database.transaction(() => {
      if (before !== undefined) numbersGoOn(database, least, isLost ? LOST_NUMBERS : 0)
      if (isLost) restGoesOn(database, least)
      known.set('run', boot ?? 'unknown')
    })()
  } finally {
    database.pragma(`synchronous = ${synchronous}`)
  }
}

/** Nothing is given out any more, and what was is in the log before this. Where a full disk does not take it, the next start goes on from beyond, too. */
export function endRun(database: Database): void {
  unlessFull(() => settings(database).set('run', ORDERLY))
}

/** The least that a version may be. */
export function versionFloor(database: Database): number {
  return Number(settings(database).get('version_floor') ?? 0)
}

/** @param lost at least so many beyond what is known, should the clock be wrong */
function numbersGoOn(database: Database, least: number, lost: number): void {
  database.prepare('UPDATE counters SET value = max(value + :lost, :least)').run({ lost, least })
}

function restGoesOn(database: Database, least: number): void {
  database.prepare('UPDATE trees SET seq = seq + ?').run(LOST_CHANGES)
  const newest = database
    .prepare<[], number | null>('SELECT max(version) FROM inodes')
    .pluck()
    .get()
  const floor = Math.max(versionFloor(database), newest ?? 0) + LOST_NUMBERS
  settings(database).set('version_floor', String(Math.max(floor, least)))
}
