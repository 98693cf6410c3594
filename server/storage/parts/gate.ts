import { type Deferred, deferred } from './deferred.js'

/** Keeps readers and overwriters of one inode's bytes apart, so that no reader sees half of a write. */
export class Gate {
  readonly #writing = new Map<number, Promise<void>>()
  readonly #reading = new Map<number, { count: number; readonly left: Deferred }>()

  /** Whether somebody is overwriting this inode: a reader waits with `pass`. */
  isClosed(ino: number): boolean {
    return this.#writing.size > 0 && this.#writing.has(ino)
  }

  /** Resolves when nobody overwrites this inode. */
  async pass(ino: number): Promise<void> {
    for (;;) {
      const writing = this.#writing.get(ino)
      if (writing === undefined) return
      await writing
    }
  }

  /** A read begins that is not done within this tick; call what it answers when it has ended. */
  enter(ino: number): () => void {
    const reading = this.#reading.get(ino) ?? { count: 0, left: deferred() }
    this.#reading.set(ino, reading)
    reading.count += 1
    return () => {
      reading.count -= 1
      if (reading.count > 0) return
      this.#reading.delete(ino)
      reading.left.resolve()
    }
  }

  /**
   * Lets no new reader in and waits for those inside; call what it answers to open again. The caller holds the lock of
   * the inode, so there is one at a time.
   */
  async close(ino: number): Promise<() => void> {
    const opened = deferred()
    this.#writing.set(ino, opened.promise)
    await this.#reading.get(ino)?.left.promise
    return () => {
      this.#writing.delete(ino)
      opened.resolve()
    }
  }
}
