const KEYS_MAX = 10_000

/** Tells the first time that something happens within a while from the times after it: a flood is one event of the audit log. */
export class Seldom {
  readonly #milliseconds: number
  /** When each window ends, the oldest first. */
  readonly #ends = new Map<string, number>()

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds
  }

  /** @param now milliseconds since the epoch */
  isFirst(key: string, now: number): boolean {
    const end = this.#ends.get(key)
    if (end !== undefined && now < end) return false
    this.#ends.delete(key)
    const [oldest] = this.#ends.keys()
    if (this.#ends.size >= KEYS_MAX && oldest !== undefined) this.#ends.delete(oldest)
    this.#ends.set(key, now + this.#milliseconds)
    return true
  }
}
