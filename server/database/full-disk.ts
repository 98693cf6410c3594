import type { Database } from './database.js'

/**
 * How SQLite says that the disk is full: the second when it is the index of its log that cannot grow
 * (https://www.sqlite.org/rescode.html#ioerr_shmsize).
 */
export const DISK_FULL_CODES = ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'] as const

export function isDiskFull(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && DISK_FULL_CODES.some((code) => code === error.code)
  )
}

const MAKERS = new WeakMap<Database, () => boolean>()

/** What is tried when the database finds the disk full. @param makeRoom answers whether it has made some */
export function whenFull(database: Database, makeRoom: () => boolean): void {
  MAKERS.set(database, makeRoom)
}

/** Whether something failed for a full disk, and there is room for it now. */
export function madeRoom(database: Database, error: unknown): boolean {
  return isDiskFull(error) && MAKERS.get(database)?.() === true
}

/** Changes the database: on a full disk once more, when room was made. Within a transaction that is for who began it to do. */
export function withRoom<T>(database: Database, change: () => T): T {
  try {
    return change()
  } catch (error) {
    if (database.inTransaction || !madeRoom(database, error)) throw error
    return change()
  }
}

/** A change that nothing depends on: a full disk does without it. */
export function unlessFull<T>(change: () => T): T | undefined {
  try {
    return change()
  } catch (error) {
    if (!isDiskFull(error)) throw error
    return undefined
  }
}
