import type { InodeRow } from '../../database/files/inode-rows.js'
import type { Engine } from '../parts/engine.js'
import { STORED } from './stored.js'

/** A write in place met a backup that began meanwhile: it starts again, on a copy. */
export class Held extends Error {
  override readonly name = 'Held'
}

/**
 * Whether a backup that is under way, in whatever process, may still need the content of a generation as it was when it
 * began. Asked in the very transaction after which the content changes, so no backup can slip in between.
 */
export function isHeld(engine: Pick<Engine, 'sql' | 'clock'>, generation: number): boolean {
  return engine.sql.held.get(generation, engine.clock().sec) !== undefined
}

/** @throws Held */
export function requireUnheld(engine: Engine, generation: number): void {
  if (isHeld(engine, generation)) throw new Held('a backup needs this content')
}

/** Moves an inode to a copy of its content, which no backup needs. The caller holds the inode's lock. */
export async function detach(engine: Engine, row: InodeRow): Promise<InodeRow> {
  if (row.stored !== STORED.file || !isHeld(engine, row.generation)) return row
  return moveToCopy(engine, row, (to) => engine.contents.copy(row.generation, to))
}

/** Moves an inode to a copy of its content. The caller holds the inode's lock. @param copy makes it, under this generation */
export async function moveToCopy(
  engine: Engine,
  row: InodeRow,
  copy: (generation: number) => Promise<void>,
): Promise<InodeRow> {
  // Straight from the counter: one of the block in memory may be older than the backup.
  const generation = engine.generations.take(1)
  try {
    engine.space.take(engine.contents.allocated(row.generation))
    await copy(generation)
    // The log that moves the inode to it may be synced for anybody.
    await engine.durability.content(generation)
    return engine.transactions.run(() => {
      const current = engine.sql.inode.get(row.ino)
      if (current === undefined) throw new Held('the inode is gone')
      const { allocated: before, size } = current
      const allocated = before === null ? null : engine.contents.holed(generation, size)
      const detached = { ...current, generation, allocated }
      engine.sql.updateInode.run(detached)
      engine.transactions.afterwards(() => {
        engine.durability.touched(generation)
        engine.contents.retire(row.generation)
      })
      return detached
    })
  } catch (error) {
    engine.contents.discard(generation)
    throw error
  }
}

/** Does work that changes content in place; again on a copy if a backup turns out to need it. */
export async function unlessHeld<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Held)) throw error
    return work()
  }
}
