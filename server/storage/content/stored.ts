import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import type { Handle } from '../disk/contents.js'
import type { Engine } from '../parts/engine.js'

/** Where the content of an inode is (`inodes.stored`). */
export const STORED = {
  /** Nowhere: it is empty, or all hole. */
  nowhere: 0,
  /** In the file of its generation. */
  file: 1,
  /** In the database: a small content costs one row there, and much more as a file of its own. */
  database: 2,
} as const
export type Stored = (typeof STORED)[keyof typeof STORED]

/** Where a whole new content has been put; `allocated` as in a row. */
export interface Kept {
  readonly stored: Stored
  readonly allocated: number | null
  readonly small?: Buffer
}

/** The bytes of a content in the database. */
export function smallContent(engine: Engine, row: InodeRow): Buffer {
  const found = engine.sql.smallContent.get(row.ino)
  if (found !== undefined) return found.data
  throw new FileError('EIO', 'the content of a file is missing; run coffer-server fsck')
}

/** Within a transaction: a content that nothing names any more goes, if it is in a file once that is committed. */
export function dropContent(engine: Engine, row: InodeRow): void {
  if (row.stored === STORED.database) engine.sql.deleteSmallContent.run(row.ino)
  if (row.stored !== STORED.file) return
  engine.transactions.afterwards(() => engine.contents.retire(row.generation))
}

/** A content that is to grow moves from the database to a file. The caller holds the inode's lock. */
export async function moveToFile(engine: Engine, row: InodeRow): Promise<InodeRow> {
  if (row.stored !== STORED.database) return row
  const data = smallContent(engine, row)
  const generation = engine.generations.next()
  const handle: Handle = engine.contents.create(generation)
  try {
    engine.disk.writeSync(handle.fd, data, 0)
    // The log that takes it out of the database may be synced for anybody.
    await engine.durability.content(generation)
    return engine.transactions.run(() => {
      const current = engine.sql.inode.get(row.ino)
      if (current === undefined) throw new FileError('ESTALE', 'the file is gone')
      const moved = { ...current, generation, stored: STORED.file }
      engine.sql.updateInode.run(moved)
      engine.sql.deleteSmallContent.run(row.ino)
      engine.transactions.afterwards(() => engine.durability.touched(generation))
      return moved
    })
  } catch (error) {
    engine.contents.discard(generation)
    throw error
  } finally {
    engine.contents.release(handle)
  }
}
