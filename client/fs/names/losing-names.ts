/** Inodes that are losing a name just now, perhaps their last, and are not kept: who opens one waits until it is known what is left of it. */
export class LosingNames {
  readonly #under = new Map<number, Promise<void>>()

  /** Resolves once that is known; undefined if it is losing none. */
  of(ino: number): Promise<void> | undefined {
    return this.#under.get(ino)
  }

  during<T>(ino: number, work: () => Promise<T>): Promise<T> {
    const result = work()
    const over = Promise.allSettled([this.#under.get(ino), result]).then(() => {
      if (this.#under.get(ino) === over) this.#under.delete(ino)
    })
    this.#under.set(ino, over)
    return result
  }
}
