import type { Fresh, Known } from './known.js'

/** For how long what was learned is believed: for a timeout after it came, or while a change stream vouches for it. */
export class Belief {
  readonly #now: () => number
  readonly #timeout: number
  /** Grows when changes were missed; what was learned before is no longer vouched for. */
  #epoch = 1
  /** What was learned before this epoch does not hold at all. */
  #oldest = 1
  #vouched = false

  constructor(now: () => number, timeoutMilliseconds: number) {
    this.#now = now
    this.#timeout = timeoutMilliseconds
  }

  /** A change stream is connected and has told everything up to now: what is learned from now on holds until it says otherwise. */
  vouch(): void {
    this.#vouched = true
  }

  /** The change stream is interrupted: until it is back only the timeout counts. */
  suspend(): void {
    this.#vouched = false
  }

  /** What the change stream vouched for no longer holds, also when it is back. */
  forgetVouched(): void {
    this.#epoch += 1
  }

  /** What was learned before holds no longer. */
  forgetAll(): void {
    this.#epoch += 1
    this.#oldest = this.#epoch
  }

  /** A change stream is connected. */
  get isVouched(): boolean {
    return this.#vouched
  }

  /** For how long the kernel may keep what it gets now. */
  get timeout(): number {
    return this.#vouched ? VOUCHED_MILLISECONDS : this.#timeout
  }

  /** What is learned now. */
  known<T>(value: T): Known<T> {
    return { value, since: this.#now(), epoch: this.#vouched ? this.#epoch : -this.#epoch }
  }

  /** Undefined if it is believed no longer. */
  fresh<T>(known: Known<T>): Fresh<T> | undefined {
    if (this.#vouched && this.wasVouched(known)) {
      return { value: known.value, milliseconds: VOUCHED_MILLISECONDS }
    }
    if (Math.abs(known.epoch) < this.#oldest) return undefined
    const milliseconds = known.since + this.#timeout - this.#now()
    return milliseconds > 0 ? { value: known.value, milliseconds } : undefined
  }

  /** The change stream vouches for it, or did until it was interrupted. */
  wasVouched({ epoch }: Known<unknown>): boolean {
    return epoch === this.#epoch
  }
}

/** Of what the change stream vouches for; it takes back before that what changes. */
export const VOUCHED_MILLISECONDS = 3_600_000
