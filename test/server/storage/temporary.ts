import { join } from 'node:path'
import { type Database, openDatabase } from '../../../server/database/database.js'
import { type Disk, nodeDisk } from '../../../server/storage/disk/disk.js'
import { fsck } from '../../../server/storage/maintenance/fsck.js'
import { openStorage, type SqliteStorage } from '../../../server/storage/sqlite-storage.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

export interface TemporaryStorage {
  readonly directory: string
  readonly database: Database
  readonly storage: SqliteStorage
  readonly clock: { date: Date }
  /** What fsck finds. */
  problems(): Promise<string[]>
  close(): Promise<void>
}

/**
 * The engine on a directory: a new one that is removed on close, or one of the test's own. Every content is a file,
 * unless the test says otherwise.
 */
export async function temporaryStorage(
  options: {
    directory?: string
    disk?: Disk
    smallBytes?: number
    boot?: string
    date?: Date
  } = {},
): Promise<TemporaryStorage> {
  const directory = options.directory ?? (await temporaryDirectory('storage'))
  const { disk = nodeDisk, smallBytes = 0, boot } = options
  const database = openDatabase(join(directory, 'coffer.db'))
  const clock = { date: options.date ?? new Date('2026-01-02T03:04:05.678Z') }
  const storage = await openStorage({
    directory,
    database,
    disk,
    smallBytes,
    clock: () => clock.date,
    ...(boot !== undefined && { boot: () => boot }),
  })
  return {
    directory,
    database,
    storage,
    clock,
    problems: async () => {
      await storage.swept()
      const found: string[] = []
      const report = ({ problem, text }: { problem: string; text: string }) =>
        found.push(`${problem}: ${text}`)
      await fsck({ directory, database, mode: 'check', report })
      return found
    },
    close: async () => {
      await storage.close()
      database.close()
      if (options.directory === undefined) await removeDirectory(directory)
    },
  }
}
