import { FileError } from '../../errors.js'
import type { FileErrorCode } from '../../wire/errors.js'
import { toInode } from '../inodes/inode.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { type Origin, overwrite, type Removal, type Removed } from '../storage.js'
import { remove } from './names.js'

/** What may be wrong with one removal alone; it is known before anything of it is done. */
const OF_ONE: ReadonlySet<FileErrorCode> = new Set([
  'ENOENT',
  'ESTALE',
  'ENOTDIR',
  'EISDIR',
  'ENOTEMPTY',
])

/** Several removals in one transaction: most of what a single one costs is its commit, of pages that the next one changes again. */
export function removeAll(
  engine: Engine,
  tree: TreeId,
  removals: readonly Removal[],
  origin: Origin,
): Removed[] {
  return engine.transactions.run(() =>
    removals.map((removal) => removed(engine, tree, removal, origin)),
  )
}

/** @throws what concerns all of them (a full disk): then nothing is done */
function removed(engine: Engine, tree: TreeId, { place, kind }: Removal, origin: Origin): Removed {
  const how = { kind, keep: false, precondition: overwrite }
  try {
    return { kind: 'removed', inode: toInode(remove(engine, tree, place, how, origin)) }
  } catch (error) {
    if (error instanceof FileError && OF_ONE.has(error.code)) return { kind: 'refused', error }
    throw error
  }
}

/** Does what frees room; on a full disk once more, when there is some for it. */
export async function freeing<T>({ ballast }: Engine, work: () => T): Promise<T> {
  try {
    return work()
  } catch (error) {
    const isFull = error instanceof FileError && error.code === 'ENOSPC'
    if (!isFull || !ballast.giveUp()) throw error
    return work()
  }
}
