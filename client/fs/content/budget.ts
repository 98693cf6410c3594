/** Bytes that the whole mount may hold for one purpose. */
export class Budget {
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #used = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get used(): number {
    return this.#used
  }

  get isExceeded(): boolean {
    return this.#used > this.#limit
  }

  /** Takes the bytes in any case: what is already there must be held. Whoever adds more waits for `room` first. */
  take(bytes: number): void {
    this.#used += bytes
  }

  give(bytes: number): void {
    this.#used -= bytes
    if (this.isExceeded) return
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Resolves once the limit is no longer exceeded. */
  async room(): Promise<void> {
    while (this.isExceeded) await new Promise<void>((wake) => this.#waiting.push(wake))
  }
}
