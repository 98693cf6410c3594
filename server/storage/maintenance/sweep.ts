import { join } from 'node:path'
import { generationOf, generationsIn, parseHex } from '../disk/content-path.js'
import { destroy } from '../inodes/links.js'
import { demolish } from '../names/demolish.js'
import { KEPT_SECONDS } from '../parts/change-log.js'
import type { Engine } from '../parts/engine.js'
import type { Ino } from '../storage.js'
import { sweepUploads } from '../uploads/resumable.js'

/** An inode without a name is kept for so long after its last use. */
const KEPT_UNUSED_SECONDS = 24 * 60 * 60
/** Inodes, trees or reservations handled in one step. */
const PAGE = 100

/**
 * At start, in the background: takes away what a crash left, folder by folder. What this process makes is not touched:
 * its generations lie above `below`.
 */
export async function sweepContents(
  engine: Engine,
  below: number,
  stopped: () => boolean,
): Promise<void> {
  const { disk, contents } = engine
  for (const high of await disk.names(contents.root)) {
    if (parseHex(high) === undefined) continue
    for (const folder of await disk.names(join(contents.root, high))) {
      if (stopped()) return
      await sweepFolder(engine, join(contents.root, high, folder), folder, below)
    }
  }
}

async function sweepFolder(
  engine: Engine,
  path: string,
  folder: string,
  below: number,
): Promise<void> {
  const range = generationsIn(folder)
  if (range === undefined || range.first >= below) return
  const present = await engine.disk.names(path)
  const claimed = new Set(
    engine.sql.generations.all(range.first, range.last).map(({ generation }) => generation),
  )
  const orphans = present
    .map((name) => generationOf(name, range))
    .filter((generation) => generation !== undefined)
    .filter((generation) => generation < below && !claimed.has(generation))
  for (const orphan of orphans) engine.contents.retire(orphan)
  // A folder that is in use again by now is not empty, so it stays.
  if (present.length === 0 && range.last < below)
    await engine.disk.removeFolder(path).catch(() => {})
}

/** At start: copies that were not finished. Those that this process makes have higher numbers. */
export async function sweepBuilding(engine: Engine, stopped: () => boolean): Promise<void> {
  for (;;) {
    const page = engine.sql.building.all(engine.inos.start, PAGE)
    for (const { ino } of page) await demolish(engine, ino, stopped)
    if (page.length === 0 || stopped()) return
  }
}

/** Now and then: inodes without a name that nobody uses, uploads, changes and reservations that are too old. */
export async function sweepUnused(engine: Engine, stopped: () => boolean): Promise<void> {
  const before = engine.clock().sec - KEPT_UNUSED_SECONDS
  engine.contents.discardPostponed()
  sweepUploads(engine)
  for (;;) {
    const page = engine.sql.keptBefore.all(before, PAGE)
    for (const { ino } of page) {
      destroyUnused(engine, ino, before)
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (page.length === 0 || stopped()) break
  }
  await forgetChanges(engine, stopped)
  await forgetReservations(engine, stopped)
}

/** Numbers that were given to files of which the server never heard, one by one, and those that mounts had left in the end. */
async function forgetReservations(engine: Engine, stopped: () => boolean): Promise<void> {
  const before = engine.clock().sec - KEPT_SECONDS
  while (!stopped() && engine.sql.forgetReservations.run(before, PAGE).changes === PAGE) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Others have had their turn since it was found: what was used or named meanwhile stays. A directory without a name is empty. */
function destroyUnused(engine: Engine, ino: Ino, before: number): void {
  const { sql, log, transactions } = engine
  transactions.run(() => {
    const kept = sql.kept.get(ino)
    if (kept === undefined || kept.used >= before) return
    const row = sql.inode.get(ino)
    if (row === undefined) sql.unkeep.run(ino)
    else log.charge(row.tree, destroy(engine, row))
  })
}

async function forgetChanges(engine: Engine, stopped: () => boolean): Promise<void> {
  let last = 0
  for (;;) {
    const page = engine.sql.treesAfter.all(last, PAGE)
    for (const { id } of page) {
      while (!stopped() && engine.transactions.run(() => engine.log.forget(id))) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      last = id
    }
    if (page.length === 0 || stopped()) return
  }
}
