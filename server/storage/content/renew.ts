import { failure } from '../failure.js'
import type { Engine } from '../parts/engine.js'
import type { Ino } from '../storage.js'
import { moveToCopy } from './hold.js'
import { STORED } from './stored.js'
import { putBack } from './undo.js'

/**
 * A content of which a sync has failed is readable as it should be, but parts of it are not on the disk, and no later sync brings them
 * there. Before it is said to be on the disk it is written once more: to another file, for its place may be what is bad.
 * @param ino only the content of this one
 */
export async function renewDoubtful(engine: Engine, ino?: Ino): Promise<void> {
  for (const generation of engine.durability.doubtful(ino === undefined ? 'all' : 'one')) {
    const owner = engine.sql.ofGeneration.get(generation)?.ino
    // nothing was promised of what nobody has yet, as an upload that is under way
    if (owner === undefined || (ino !== undefined && ino !== owner)) continue
    try {
      await engine.locks.hold(owner, () => renew(engine, owner, generation))
    } catch (error) {
      throw failure(error)
    }
  }
}

async function renew(engine: Engine, ino: Ino, generation: number): Promise<void> {
  if (engine.unrestored.has(ino)) await putBack(engine, ino)
  const row = engine.sql.inode.get(ino)
  if (row?.stored !== STORED.file || row.generation !== generation) return
  // not shared: the bytes that are not on the disk would be the same ones
  await moveToCopy(engine, row, (to) => engine.contents.copyBytes(generation, to))
}
