import { deferred } from './deferred.js'

/** One writer of content at a time per inode, in the order they came. */
export class Locks {
  readonly #tails = new Map<number, Promise<void>>()

  /** Runs `work` when all earlier work on this inode has ended; at once if there is none. */
  async hold<T>(ino: number, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(ino)
    const { promise, resolve } = deferred()
    this.#tails.set(ino, promise)
    try {
      if (before !== undefined) await before
      return await work()
    } finally {
      if (this.#tails.get(ino) === promise) this.#tails.delete(ino)
      resolve()
    }
  }
}
