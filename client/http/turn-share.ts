/** Received in one turn of the event loop: a millisecond's work, with what is to be done for it. */
const TURN_BYTES = 512 << 10

/**
 * What long answers may take of one turn of the event loop, all together. A socket is read for as long as something comes: where it
 * comes fast, over several connections, one turn would last for tens of milliseconds, and every small operation waits for two of them.
 */
export class TurnShare {
  readonly #most: number
  #taken = 0
  #next: (() => void)[] | undefined

  constructor(most = TURN_BYTES) {
    this.#most = most
  }

  /**
   * So many bytes have come.
   * @param goOn called in the next turn if the share of this one is used up
   * @returns whether reading goes on in this turn
   */
  take(bytes: number, goOn: () => void): boolean {
    if (this.#next === undefined) {
      this.#next = []
      this.#taken = 0
      setImmediate(() => this.#turn())
    }
    this.#taken += bytes
    if (this.#taken < this.#most) return true
    this.#next.push(goOn)
    return false
  }

  #turn(): void {
    const waiting = this.#next ?? []
    this.#next = undefined
    for (const goOn of waiting) goOn()
  }
}
