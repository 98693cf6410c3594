import { FileError } from '../../errors.js'
import { createEngine, type StorageOptions } from '../create-engine.js'
import { plant } from '../names/plant.js'
import type { Engine } from '../parts/engine.js'
import type { Quota, Usage, UserId } from '../storage.js'

export function setQuota(engine: Engine, tree: number, quota: Quota): void {
  for (const limit of [quota.maxBytes, quota.maxInodes]) {
    if (limit !== null && (!Number.isSafeInteger(limit) || limit < 0)) {
      throw new FileError('EINVAL', 'a quota must be a non-negative integer, or none')
    }
  }
  engine.sql.setQuota.run(quota.maxBytes, quota.maxInodes, tree)
}

export function quotaOf(engine: Engine, tree: number): Quota & Usage {
  const row = engine.sql.treeById.get(tree)
  if (row === undefined) throw new FileError('ENOENT', 'this user has no files')
  const { bytes, inodes, links, max_bytes, max_inodes } = row
  return { bytes, inodes, links, maxBytes: max_bytes, maxInodes: max_inodes }
}

/**
 * Changes what a user may use, and answers how it is then. Beside a running server, too, where it holds from the next
 * operation on: it is a matter of the database alone, so it takes no lock and sweeps nothing.
 */
export async function changeQuota(
  options: StorageOptions,
  owner: UserId,
  change: Partial<Quota>,
): Promise<Quota & Usage> {
  const engine = createEngine(options)
  try {
    const { id } = engine.sql.tree.get(owner) ?? plant(engine, owner)
    return engine.transactions.run(() => {
      setQuota(engine, id, { ...quotaOf(engine, id), ...change })
      return quotaOf(engine, id)
    })
  } finally {
    await engine.contents.close()
    engine.durability.close()
    await engine.checkpoints.close()
  }
}
