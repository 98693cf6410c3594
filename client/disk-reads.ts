import { briefly, TooLate } from './briefly.js'
import { Slots } from './slots.js'

/** Where the disk hangs, each read has one of libuv's threads: the mount needs the others. */
const READS_AT_ONCE = 3

/** Reads of a disk that may hang: nobody waits for longer than its patience, and who has given up takes no turn and no memory. */
export class DiskReads {
  readonly #slots = new Slots(READS_AT_ONCE)
  readonly #patience: number

  constructor(patienceMilliseconds: number) {
    this.#patience = patienceMilliseconds
  }

  /**
   * @param late told of a read that is given up, and goes on
   * @throws TooLate, and what the work throws before
   */
  async read<T>(work: () => Promise<T>, late?: (read: Promise<T>) => void): Promise<T> {
    let isWanted = true
    const inTurn = async () => {
      await this.#slots.take()
      try {
        if (!isWanted) throw new TooLate('given up before its turn')
        return await work()
      } finally {
        this.#slots.give()
      }
    }
    const read = inTurn()
    try {
      return await briefly(read, this.#patience)
    } catch (error) {
      isWanted = false
      if (error instanceof TooLate) late?.(read)
      throw error
    }
  }
}
