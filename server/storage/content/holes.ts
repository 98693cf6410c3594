import type { InodeRow } from '../../database/files/inode-rows.js'
import type { Engine } from '../parts/engine.js'
import { STORED } from './stored.js'

/** What is allocated of a content: counted only where there are holes, so that others cost nothing. */

/** Within the transaction that changes the size of a content; a smaller one is cut afterwards, and then `recounted`. */
export function allocatedAt(engine: Engine, row: InodeRow, size: number): number | null {
  const mayHaveHoles = row.allocated !== null || size > row.size
  if (row.stored !== STORED.file || !mayHaveHoles) return row.allocated
  return engine.contents.holed(row.generation, size)
}

/** After a content with holes was cut, or got new ones. The caller holds the inode's lock. */
export function recounted(engine: Engine, row: InodeRow): InodeRow {
  if (row.stored !== STORED.file) return row
  try {
    const allocated = engine.contents.holed(row.generation, row.size)
    if (allocated === row.allocated) return row
    return engine.transactions.run(() => {
      const current = engine.sql.inode.get(row.ino)
      if (current?.generation !== row.generation) return row
      const after = { ...current, allocated }
      engine.sql.updateInode.run(after)
      return after
    })
  } catch {
    // What was changed is committed, and this is for du(1) alone: the next change counts again.
    return row
  }
}
