import type { ChangeRow } from '../../database/files/changes.js'

/** Changes remembered of each tree, and how many trees: some 15 MiB if all of them were busy. */
const CHANGES = 128
const TREES = 512

/**
 * The newest changes, as they were committed: whoever follows a tree needs just these, and need not read back what was written a
 * moment ago. Older ones are in the database.
 */
export class RecentChanges {
  /** Of each tree consecutive ones, up to the newest there is. */
  readonly #trees = new Map<number, ChangeRow[]>()

  /** A change was committed; in order. */
  add(tree: number, change: ChangeRow): void {
    const changes = this.#trees.get(tree)
    if (changes === undefined || changes.at(-1)?.seq !== change.seq - 1) {
      this.#begin(tree, change)
      return
    }
    changes.push(change)
    // half of them at a time, so that it is done rarely
    if (changes.length >= 2 * CHANGES) changes.splice(0, CHANGES)
  }

  /** Old ones have been forgotten, and are not to be told of any more. */
  forget(tree: number): void {
    this.#trees.delete(tree)
  }

  #begin(tree: number, change: ChangeRow): void {
    this.#trees.delete(tree)
    for (const oldest of this.#trees.keys()) {
      if (this.#trees.size < TREES) break
      this.#trees.delete(oldest)
    }
    this.#trees.set(tree, [change])
  }

  /** Undefined where the database knows. */
  newest(tree: number): number | undefined {
    return this.#trees.get(tree)?.at(-1)?.seq
  }

  /** Up to so many changes after a number; undefined where the database knows. */
  after(tree: number, seq: number, limit: number): ChangeRow[] | undefined {
    const changes = this.#trees.get(tree)
    const first = changes?.[0]
    if (changes === undefined || first === undefined || seq < first.seq - 1) return undefined
    const skipped = seq - first.seq + 1
    return skipped > changes.length ? undefined : changes.slice(skipped, skipped + limit)
  }
}
