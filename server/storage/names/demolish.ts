import { isDirectory } from '../inodes/inode.js'
import { destroy } from '../inodes/links.js'
import type { Engine } from '../parts/engine.js'
import { NOTHING_USED } from '../parts/usage.js'
import type { Ino } from '../storage.js'

/** Inodes destroyed in one transaction. */
const PAGE = 100

/**
 * Destroys an inode without a name, and all below it, in short steps from the leaves up. What is left where it was stopped is for
 * another time.
 */
export async function demolish(engine: Engine, ino: Ino, stopped = () => false): Promise<void> {
  const stack = [ino]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    if (stopped()) return
    const directory = top
    const next = engine.transactions.run(() => clear(engine, directory))
    if (next === 'empty') stack.pop()
    else if (next !== 'more') stack.push(next)
    await new Promise((resolve) => setImmediate(resolve))
  }
  engine.transactions.run(() => {
    const row = engine.sql.inode.get(ino)
    if (row !== undefined) engine.log.charge(row.tree, destroy(engine, row))
  })
}

/** Removes a page of a directory; answers what is to be cleared next: a subdirectory that must go first. */
function clear(engine: Engine, directory: Ino): 'empty' | 'more' | Ino {
  const { sql, log } = engine
  const page = sql.entries.all(directory, '', PAGE)
  for (const entry of page) {
    if (isDirectory(entry) && sql.someEntry.get(entry.ino) !== undefined) return entry.ino
    sql.deleteEntry.run(directory, entry.name)
    if (isDirectory(entry) || entry.nlink <= 1) log.charge(entry.tree, destroy(engine, entry))
    else {
      sql.updateInode.run({ ...entry, nlink: entry.nlink - 1 })
      log.charge(entry.tree, { ...NOTHING_USED, links: -1 })
    }
  }
  return page.length === 0 ? 'empty' : 'more'
}
