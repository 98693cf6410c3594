import type { Engine, TreeId } from '../parts/engine.js'
import { checkRoom } from '../parts/room.js'

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
