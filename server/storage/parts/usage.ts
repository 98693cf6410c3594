import { FileError } from '../../errors.js'

/** What a change uses (positive) or frees (negative). */
export interface Usage {
  readonly bytes: number
  readonly inodes: number
  /** Names of a file beyond its first. */
  readonly links?: number
}
export const NOTHING_USED: Usage = { bytes: 0, inodes: 0 }

/** Without a quota: files that are all hole soon come to more than the 2^63 that the database can count. */
const MOST_BYTES = 2 ** 62

interface Limits {
  readonly bytes: number
  readonly inodes: number
  readonly links: number
  readonly max_bytes: number | null
  readonly max_inodes: number | null
}

/** @throws EDQUOT if what is used now is beyond the quota, and `usage` adds to it */
export function checkQuota(tree: Limits, usage: Usage): void {
  if (usage.bytes > 0 && tree.bytes > (tree.max_bytes ?? MOST_BYTES)) {
    throw new FileError(
      'EDQUOT',
      'your quota of bytes is used up; delete something or ask for more',
    )
  }
  const names = tree.inodes + tree.links
  const isMore = usage.inodes > 0 || (usage.links ?? 0) > 0
  if (isMore && tree.max_inodes !== null && names > tree.max_inodes) {
    throw new FileError(
      'EDQUOT',
      'your quota of files is used up; delete something or ask for more',
    )
  }
}
