import type { InodeRow } from '../../database/files/inode-rows.js'
import { liveDirectoryRow } from '../inodes/access.js'
import { toInode } from '../inodes/inode.js'
import { touchDirectory } from '../inodes/links.js'
import { draft, inherited, insertInode } from '../inodes/new-inode.js'
import { insertXattrs } from '../inodes/xattrs.js'
import { whenFree } from '../name-guard.js'
import type { Engine, TreeId } from '../parts/engine.js'
import type { Inode, NewAttributes, Origin, Place, Precondition } from '../storage.js'
import { inodeNumber } from './names.js'

/** What a new file is made on. */
export interface CreateTerms {
  readonly precondition: Precondition
  readonly origin: Origin
}

/**
 * A new file with all of its content in one step, where that is at hand and goes into the database: what most files are, and all
 * that an upload keeps for what is still to come is not needed. Undefined where something is at the place, or the content is long:
 * that is for an upload to make, or to refuse. @throws ENOENT, ENOTDIR, ENOSPC, EDQUOT, and what the precondition throws
 */
export async function create(
  engine: Engine,
  tree: TreeId,
  place: Place,
  content: Buffer,
  attributes: Partial<NewAttributes>,
  { precondition, origin }: CreateTerms,
): Promise<Inode | undefined> {
  if (content.length > engine.smallBytes) return undefined
  // whoever has the names of the directory is not asked to give them back for nothing
  if (engine.sql.entry.get(place.directory, place.name) !== undefined) return undefined
  engine.space.take(content.length)
  return whenFree(engine.names, tree.owner, place, origin, () => {
    const now = engine.clock()
    const number = inodeNumber(engine, attributes.ino)
    const generation = engine.generations.next()
    const made = draft({ type: 'file' }, completed(attributes), now, generation, content)
    const row = engine.transactions.run((): InodeRow | undefined => {
      const directory = liveDirectoryRow(engine, tree, place.directory)
      if (engine.sql.entry.get(place.directory, place.name) !== undefined) return undefined
      precondition(undefined)
      const file = attributes.gid === undefined ? inherited(made, directory) : made
      const inserted = insertInode(engine, tree, file, number, now)
      engine.sql.insertEntry.run(place.directory, place.name, inserted.ino)
      touchDirectory(engine, place.directory, 0, now)
      const change = { kind: 'make', ino: inserted.ino, place } as const
      const bytes = inserted.size + insertXattrs(engine, inserted.ino, attributes.xattrs)
      engine.log.note(tree.id, change, { bytes, inodes: 1 }, origin)
      return inserted
    })
    return row && toInode(row)
  })
}

/** With what a file has of which nothing is said. */
export function completed(attributes: Partial<NewAttributes>): NewAttributes {
  const { mode = 0o644, uid = 0, gid = 0 } = attributes
  return { ...attributes, mode, uid, gid }
}
