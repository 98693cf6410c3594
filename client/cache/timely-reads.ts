import { Slots } from '../slots.js'

/** Where the disk hangs, each read has one of libuv's threads: the mount needs the others. */
const READS_AT_ONCE = 3
/** Longer than a disk takes that works, however busy it is. */
const PATIENCE_MILLISECONDS = 1_000

/** Reads of a disk that may hang: nobody waits for long, and while one hangs nobody else waits at all. */
export class TimelyReads {
  readonly #slots = new Slots(READS_AT_ONCE)
  readonly #late: () => void
  #hanging = 0

  constructor(late: () => void) {
    this.#late = late
  }

  /** @returns undefined where it is not to be waited for; what was under way goes on */
  read<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#hanging > 0) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        this.#hanging += 1
        this.#late()
        resolve(undefined)
      }, PATIENCE_MILLISECONDS)
      const inTurn = async () => {
        await this.#slots.take()
        try {
          return isLate ? undefined : await work()
        } finally {
          this.#slots.give()
          clearTimeout(timer)
          if (isLate) this.#hanging -= 1
        }
      }
      inTurn().then(resolve, reject)
    })
  }
}
