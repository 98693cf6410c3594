import type { FileName } from '../path.js'
import type { Ino, Place } from '../storage.js'
import type { Engine } from './engine.js'

/** Where an inode is named: one place of perhaps several; none for a root, or without a name. */
export function placeOf(engine: Engine, ino: Ino): Place | undefined {
  const row = engine.sql.place.get(ino)
  return row === undefined ? undefined : { directory: row.directory, name: row.name as FileName }
}
