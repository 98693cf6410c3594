import { rmSync } from 'node:fs'
import type { Database } from '../../database/database.js'
import { fileStatements } from '../../database/files/statements.js'
import { opening } from '../../database/open-error.js'
import { openBackup } from './set.js'

/** Nothing but a moment lies between a hold and its snapshot, so a second time is seldom needed, and a third hardly ever. */
const ATTEMPTS = 20

/**
 * Writes the database as it is at one moment, and puts up a hold on all contents that it names. A content that begins between
 * the two would be named and not held: then both are made again.
 * @param until when the hold ends by itself, in seconds since the epoch
 * @returns the hold
 */
export function heldSnapshot(database: Database, path: string, until: number): { id: number } {
  const sql = fileStatements(database)
  const snapshot = database.prepare<[string], never>('VACUUM INTO ?')
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    rmSync(path, { force: true })
    const hold = sql.insertHold.get(until)
    if (hold === undefined)
      throw new Error('the database has lost its counters; run coffer-server fsck')
    try {
      opening(path, () => snapshot.run(path))
      if (nextGeneration(path) === hold.generation) return hold
    } catch (error) {
      sql.deleteHold.run(hold.id, 0)
      throw error
    }
    sql.deleteHold.run(hold.id, 0)
  }
  throw new Error('too much changes just now for a backup of one moment; try again')
}

function nextGeneration(path: string): number | undefined {
  const database = openBackup(path, 'read')
  try {
    const counter = database.prepare<[], { value: number }>(
      `SELECT value FROM counters WHERE name = 'generation'`,
    )
    return counter.get()?.value
  } finally {
    database.close()
  }
}
