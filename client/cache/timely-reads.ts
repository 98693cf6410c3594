import { TooLate } from '../briefly.js'
import { DiskReads } from '../disk-reads.js'

/** Longer than a disk takes that works, however busy it is. */
const PATIENCE_MILLISECONDS = 1_000

/** Reads of what can be had elsewhere: while one hangs nobody else waits at all. */
export class TimelyReads {
  readonly #reads = new DiskReads(PATIENCE_MILLISECONDS)
  readonly #late: () => void
  #hanging = 0

  constructor(late: () => void) {
    this.#late = late
  }

  /** @returns undefined where it is not to be waited for; what was under way goes on */
  async read<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#hanging > 0) return undefined
    try {
      return await this.#reads.read(work, (read) => this.#hangs(read))
    } catch (error) {
      if (error instanceof TooLate) return undefined
      throw error
    }
  }

  #hangs(read: Promise<unknown>): void {
    this.#hanging += 1
    this.#late()
    const end = () => {
      this.#hanging -= 1
    }
    read.then(end, end)
  }
}
