/** How long the server is sure to keep this mount's locks: counted from before it was asked, by whichever clock is later. */
export class Lease {
  readonly #clocks: readonly (() => number)[]
  #until: readonly number[] | undefined

  /** @param clocks one goes on while the machine sleeps, one is never set back */
  constructor(clocks: readonly (() => number)[]) {
    this.#clocks = clocks
  }

  /** To be taken before the server is asked. */
  start(): readonly number[] {
    return this.#clocks.map((clock) => clock())
  }

  renewed(start: readonly number[], milliseconds: number): void {
    this.#until = start.map((time) => time + milliseconds)
  }

  /** The server has never been asked. */
  get isUnknown(): boolean {
    return this.#until === undefined
  }

  get isValid(): boolean {
    return this.#clocks.every((clock, at) => clock() < (this.#until?.[at] ?? 0))
  }
}
