import type { InodeRow } from '../../database/files/inode-rows.js'
import type { Handle } from '../disk/contents.js'
import type { Engine } from '../parts/engine.js'
import { STORED } from './stored.js'

/**
 * What an earlier, unfinished write left beyond the end must not come to light when the file grows. A content that
 * no metadata claims yet is all hole.
 */
export async function cutLeftovers(engine: Engine, row: InodeRow, handle: Handle): Promise<void> {
  const { length } = engine.disk.stat(handle.fd)
  if (row.stored === STORED.file && length > row.size)
    await engine.disk.truncate(handle.fd, row.size)
  if (row.stored === STORED.file) return
  if (length > 0) await engine.disk.truncate(handle.fd, 0)
  if (row.size > 0) await engine.disk.truncate(handle.fd, row.size)
}
