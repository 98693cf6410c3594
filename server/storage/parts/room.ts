import { FileError } from '../../errors.js'
import type { Engine, TreeId } from './engine.js'
import { checkQuota } from './usage.js'

/** Sizes are exact up to 2^53 - 1. */
const SIZE_MAX = Number.MAX_SAFE_INTEGER

/** @throws EINVAL, EFBIG */
export function checkSize(size: number): void {
  if (size > SIZE_MAX) throw new FileError('EFBIG', `a file is at most ${SIZE_MAX} bytes`)
  if (!Number.isInteger(size) || size < 0) {
    throw new FileError('EINVAL', 'a size or an offset must be a non-negative integer')
  }
}

/**
 * Refuses early what the transaction would refuse in the end: so many more bytes in this tree, or files.
 * @param claimed bytes that others are about to add
 * @throws EDQUOT
 */
export function checkRoom(
  engine: Engine,
  tree: TreeId,
  more: { readonly bytes: number; readonly inodes: number },
  claimed = 0,
): void {
  const row = engine.sql.treeById.get(tree.id)
  if (row === undefined) return
  const bytes = row.bytes + claimed + more.bytes
  checkQuota({ ...row, bytes, inodes: row.inodes + more.inodes }, more)
}
