import BetterSqlite3 from 'better-sqlite3'
import type { Lock } from './lock.js'
import { MIGRATIONS } from './migrations.js'

/** Holds everybody else off while the schema changes. @throws Error where somebody is there */
export type Alone = () => Lock

const NOBODY_ELSE: Alone = () => ({ release() {} })

/**
 * Applies what is missing, all in one transaction: what is broken off, or refused, leaves the directory to the version that made it.
 * @throws Error
 */
export function migrate(database: BetterSqlite3.Database, alone: Alone = NOBODY_ELSE): void {
  if (isCurrent(database)) return
  const lock = lockOf(database, alone)
  try {
    database
      .transaction(() => {
        // Another process may have been faster.
        if (isCurrent(database)) return
        for (const sql of MIGRATIONS.slice(versionOf(database))) database.exec(sql)
        database.pragma(`user_version = ${MIGRATIONS.length}`)
        refuseOther(database)
      })
      .immediate()
  } finally {
    lock?.release()
  }
}

/** @throws Error where a newer version of the program has been here */
function isCurrent(database: BetterSqlite3.Database): boolean {
  const version = versionOf(database)
  if (version > MIGRATIONS.length) {
    throw new Error(
      `the data directory was written by a newer Coffer (schema ${version}, this one knows ${MIGRATIONS.length}), and nothing of it was changed now: use that version or a newer one, or restore a backup that was made before`,
    )
  }
  return version === MIGRATIONS.length
}

function versionOf(database: BetterSqlite3.Database): number {
  return Number(database.pragma('user_version', { simple: true }))
}

/** Undefined where whoever held it has just done what is to be done here. */
function lockOf(database: BetterSqlite3.Database, alone: Alone): Lock | undefined {
  try {
    return alone()
  } catch (error) {
    if (isCurrent(database)) return undefined
    throw error
  }
}

/** Before the first release the schema was changed in place: such a directory may say of itself what it is not. */
function refuseOther(database: BetterSqlite3.Database): void {
  const model = new BetterSqlite3(':memory:')
  try {
    for (const sql of MIGRATIONS) model.exec(sql)
    const found = new Set(columnsOf(database))
    const missing = columnsOf(model).filter((column) => !found.has(column))
    if (missing.length === 0) return
    throw new Error(
      `the data directory was made by a version of Coffer that is too old to be upgraded (it has no ${missing.join(', ')}), and nothing of it was changed: write its files with that version's "coffer-server export", and take them into a new data directory with "coffer-server import"`,
    )
  } finally {
    model.close()
  }
}

/** What the statements of the program name, as "table.column". */
function columnsOf(database: BetterSqlite3.Database): string[] {
  return database
    .prepare<[], string>(
      `SELECT tables.name || '.' || columns.name
       FROM sqlite_schema tables, pragma_table_info(tables.name) columns WHERE tables.type = 'table'`,
    )
    .pluck()
    .all()
}
