interface Newest {
  /** Who made the newest change; undefined where that has no name. */
  author: string | undefined
  seq: number
  /** The newest one before it that its author has not made. */
  others: number
}

/**
 * Of each tree the newest change that a connection has not made itself: what it must have been told before it can take what it
 * makes for a lock. A few numbers for each account.
 */
export class NewestOfOthers {
  readonly #trees = new Map<number, Newest>()

  /** A change was committed; in order. */
  add(tree: number, seq: number, author: string | undefined): void {
    const newest = this.#trees.get(tree)
    // of what was before the server started nobody knows who made it
    if (newest === undefined) this.#trees.set(tree, { author, seq, others: seq - 1 })
    else {
      if (newest.author !== author) newest.others = newest.seq
      newest.author = author
      newest.seq = seq
    }
  }

  /** Undefined where nothing was changed since the server started. */
  before(tree: number, connection: string): number | undefined {
    const newest = this.#trees.get(tree)
    return newest?.author === connection ? newest.others : newest?.seq
  }
}
