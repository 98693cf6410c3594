import type { Engine, TreeId } from '../parts/engine.js'
import type { Totals } from '../storage.js'

/** Inodes that "unlimited" stands for: as many as a 32-bit statfs(2) can tell. */
const UNLIMITED_INODES = 2 ** 32 - 1

/** More is no exact number, and the files need not be that long: they may be all hole. */
const MOST_BYTES = Number.MAX_SAFE_INTEGER

/** statfs(2) numbers: the quota where there is one, but never more than the disk can take. */
export function totals(engine: Engine, tree: TreeId): Totals {
  const row = engine.sql.treeById.get(tree.id)
  const disk = engine.space.numbers()
  const bytes = row?.bytes ?? 0
  const inodes = row?.inodes ?? 0
  const freeBytes =
    row === undefined || row.max_bytes === null
      ? disk.free
      : Math.min(disk.free, Math.max(0, row.max_bytes - bytes))
  // names beyond a file's first use the quota up, and are no inodes
  const totalInodes =
    row === undefined || row.max_inodes === null
      ? UNLIMITED_INODES
      : Math.max(0, row.max_inodes - row.links)
  return {
    totalBytes: Math.min(row?.max_bytes ?? Math.max(disk.total, bytes), MOST_BYTES),
    freeBytes,
    totalInodes,
    freeInodes: Math.max(0, totalInodes - inodes),
  }
}
