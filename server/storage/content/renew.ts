import { failure } from '../failure.js'
import type { Engine } from '../parts/engine.js'
import type { Ino } from '../storage.js'
import { moveToCopy } from './hold.js'
import { STORED } from './stored.js'
import { putBack } from './undo.js'

/**
 * A content of which a sync has failed is readable as it should be, but parts of it are not on the disk, and no later sync brings them
 * there. Before it is said to be on the disk it is written once more: to another file, for its place may be what is bad.
 * Where that fails, as on a full disk, one who asks about everything is told, and who asks about this one each time: all others
 * would wait for a copy, and get nothing done, for as long as the file is there.
 * @param ino only the content of this one
 */
export async function renewDoubtful(engine: Engine, ino?: Ino): Promise<void> {
  const { durability, locks, sql } = engine
  const asked = ino === undefined ? 'all' : 'one'
  for (const generation of durability.doubtful(asked)) {
    const owner = sql.ofGeneration.get(generation)?.ino
    // nothing was promised of what nobody has yet, as an upload that is under way
    if (owner === undefined || (ino !== undefined && ino !== owner)) continue
    await locks.hold(owner, async () => {
      if (!durability.isDoubtful(generation, asked)) return
      try {
        await renew(engine, owner, generation)
      } catch (error) {
        // removed meanwhile
        if (sql.ofGeneration.get(generation) === undefined) return
        durability.stuck(generation)
        throw failure(error)
      }
    })
  }
}

async function renew(engine: Engine, ino: Ino, generation: number): Promise<void> {
  if (engine.unrestored.has(ino)) await putBack(engine, ino)
  const row = engine.sql.inode.get(ino)
  if (row?.stored !== STORED.file || row.generation !== generation) return
  // not shared: the bytes that are not on the disk would be the same ones
  await moveToCopy(engine, row, (to) => engine.contents.copyBytes(generation, to))
}
