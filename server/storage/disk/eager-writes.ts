/** A write that takes longer than this, in milliseconds, did not only go to the page cache. */
const SLOW = 2
/** Of all time, so much may go into such waiting. */
const SHARE = 0.02
/** Milliseconds of it that may come together, for now and then every write waits for a moment. */
const TOGETHER = 100

/**
 * Writes at once, without a thread, as long as that is as quick as the page cache is. A thread costs more than such a write takes: its
 * wake-up, and the bytes go from one core's cache to the other's. Where the kernel makes a writer wait (too many pages are dirty,
 * the journal is full), the event loop must not, so then threads write for a while.
 */
export class EagerWrites {
  readonly #now: () => number
  readonly #write: (fd: number, data: readonly Buffer[], position: number) => number
  #allowance = TOGETHER
  #at: number

  /**
   * @param now a clock in milliseconds
   * @param write answers the bytes written, as pwritev(2) does
   */
  constructor(
    now: () => number,
    write: (fd: number, data: readonly Buffer[], position: number) => number,
  ) {
    this.#now = now
    this.#write = write
    this.#at = now()
  }

  /** Answers the bytes written; undefined, having written nothing, where a thread is to do it. @throws what write(2) does */
  write(fd: number, data: readonly Buffer[], position: number): number | undefined {
    const began = this.#now()
    this.#allowance = Math.min(TOGETHER, this.#allowance + SHARE * (began - this.#at))
    this.#at = began
    if (this.#allowance <= 0) return undefined
    const bytes = this.#write(fd, data, position)
    const took = this.#now() - began
    if (took > SLOW) this.#allowance -= took
    return bytes
  }
}
