import type { InodeRow } from '../../database/files/inode-rows.js'
import type { Handle } from '../disk/contents.js'
import type { Engine } from '../parts/engine.js'
import { STORED } from './stored.js'

/**
 * What an earlier, unfinished write left beyond the end must not come to light when the file grows. A content that
 * is only now put in a file is all hole.
 */
export async function cutLeftovers(engine: Engine, row: InodeRow, handle: Handle): Promise<void> {
  const { length } = engine.disk.stat(handle.fd)
  if (row.stored === STORED.file && length > row.size) {
    await engine.durability.logged()
    await engine.disk.truncate(handle.fd, row.size)
  }
  if (row.stored !== STORED.file && row.size > 0) await engine.disk.truncate(handle.fd, row.size)
}

/**
 * Frees what lies beyond the new end of a content. The database on the disk may still have the old end: loss of power must not
 * bring that back without the bytes. Those are never shown, so it does not matter if this fails.
 */
export async function cutAfterLog(engine: Engine, handle: Handle, size: number): Promise<void> {
  try {
    await engine.durability.logged()
    await engine.disk.truncate(handle.fd, size)
  } catch {
    // the next write cuts it before it extends the file
  }
}
