/** Runs a piece of work for all who ask while it is under way: each waits for a run that began after it asked. */
export class Coalesced {
  readonly #work: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(work: () => Promise<void>) {
    this.#work = work
  }

  get isIdle(): boolean {
    return this.#running === undefined
  }

  run(): Promise<void> {
    if (this.#running === undefined) return this.#start()
    this.#next ??= this.#afterwards(this.#running)
    return this.#next
  }

  async #afterwards(running: Promise<void>): Promise<void> {
    await running.catch(() => {})
    this.#next = undefined
    await this.#start()
  }

  #start(): Promise<void> {
    const running = this.#work().finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }
}
