import type { Engine, TreeId } from './engine.js'
import { checkRoom } from './room.js'

/**
 * Bytes that uploads and partial writes under way are going to add to each tree, as far as is known: several at once have to
 * fit into a quota together, before they come. What becomes of them the transaction of each counts in the end.
 */
export class Claims {
  readonly #bytes = new Map<number, number>()

  of(tree: number): number {
    return this.#bytes.get(tree) ?? 0
  }

  /** So much more is claimed, or (negative) less. */
  change(tree: number, by: number): void {
    const bytes = this.of(tree) + by
    if (bytes === 0) this.#bytes.delete(tree)
    else this.#bytes.set(tree, bytes)
  }
}

/** What one upload claims, until it has ended. */
export class Claim {
  readonly #engine: Engine
  readonly #tree: TreeId
  readonly #replaced: number
  readonly #counts: boolean
  #bytes = 0

  /**
   * @param replaced bytes that what is replaced has
   * @param counts for others; a resumable upload does not, which is counted in the database
   */
  constructor(engine: Engine, tree: TreeId, replaced: number, counts: boolean) {
    this.#engine = engine
    this.#tree = tree
    this.#replaced = replaced
    this.#counts = counts
  }

  /** Before anything is known of its size. @throws EDQUOT */
  begin(inodes: number): void {
    if (inodes > 0) checkRoom(this.#engine, this.#tree, { bytes: 0, inodes })
  }

  /** Its size is at least this, and fits beside what others bring. @throws EDQUOT */
  extend(size: number, inodes = 0): void {
    const { claims } = this.#engine
    const bytes = size - this.#replaced
    const others = this.#counts ? claims.of(this.#tree.id) - this.#bytes : 0
    checkRoom(this.#engine, this.#tree, { bytes, inodes }, others)
    if (!this.#counts || bytes <= this.#bytes) return
    claims.change(this.#tree.id, bytes - this.#bytes)
    this.#bytes = bytes
  }

  end(): void {
    this.#engine.claims.change(this.#tree.id, -this.#bytes)
    this.#bytes = 0
  }
}
