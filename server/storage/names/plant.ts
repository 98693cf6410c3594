import { FileError } from '../../errors.js'
import { inodeRow } from '../inodes/access.js'
import { draft, insertInode } from '../inodes/new-inode.js'
import type { Engine } from '../parts/engine.js'
import type { Ino, UserId } from '../storage.js'
import { NO_CONTENT } from './names.js'

/** Makes the root directory of a user. */
export function plant(engine: Engine, owner: UserId): { id: number; owner: UserId; root: Ino } {
  const now = engine.clock()
  const number = { fresh: engine.inos.next() }
  const attributes = { mode: 0o755, uid: 0, gid: 0 }
  return engine.transactions.run(() => {
    const id = engine.sql.insertTree.get(owner, number.fresh)?.id
    if (id === undefined) throw new FileError('EIO', 'the root directory could not be made')
    const tree = { id, owner, root: number.fresh }
    insertInode(
      engine,
      tree,
      draft({ type: 'directory' }, attributes, now, NO_CONTENT),
      number,
      now,
    )
    return { ...tree, root: inodeRow(engine, tree, number.fresh).ino }
  })
}
