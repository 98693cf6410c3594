import type { KnownNode } from '../content/nodes.js'
import { LockedInode } from './locked-inode.js'

/** Files about which we decide ourselves; more are given back. */
const MOST_DELEGATIONS = 1_000

/** The inodes of which programs here have locks, or about whose locks we decide. */
export class LockedInodes {
  /** The one used last comes last. */
  readonly #known = new Map<number, LockedInode>()
  readonly #tooMany: (ino: number) => void

  /** @param tooMany we decide about more than we may keep, and about this one without need */
  constructor(tooMany: (ino: number) => void) {
    this.#tooMany = tooMany
  }

  get isEmpty(): boolean {
    return this.#known.size === 0
  }

  get(ino: number): LockedInode | undefined {
    return this.#known.get(ino)
  }

  has(ino: number): boolean {
    return this.#known.has(ino)
  }

  all(): LockedInode[] {
    return [...this.#known.values()]
  }

  /** Made known if it is not. */
  of(node: KnownNode): LockedInode {
    const known = this.#known.get(node.ino)
    if (known !== undefined) {
      this.#known.delete(node.ino)
      this.#known.set(node.ino, known)
      return known
    }
    const inode = new LockedInode(node)
    this.#known.set(node.ino, inode)
    if (this.#known.size > MOST_DELEGATIONS) this.#giveBackOldest()
    return inode
  }

  forgetUnused(inode: LockedInode): void {
    const { ino } = inode.node
    if (inode.isUnused && this.#known.get(ino) === inode) this.#known.delete(ino)
  }

  #giveBackOldest(): void {
    for (const [ino, inode] of this.#known) {
      if (!inode.isDelegated || inode.held.size > 0 || !inode.isQuiet) continue
      this.#tooMany(ino)
      return
    }
  }
}
