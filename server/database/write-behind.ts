const AGAIN_AFTER_MS = 15_000

/**
 * Writes down a moment later what is noted in memory, so that no request costs a transaction. Where that fails (the disk is
 * full, say) it is tried again, and told once until it has worked.
 */
export class WriteBehind {
  readonly #write: () => void
  readonly #failed: (cause: unknown) => void
  #failing = false
  #timer: NodeJS.Timeout | undefined

  constructor(write: () => void, failed: (cause: unknown) => void) {
    this.#write = write
    this.#failed = failed
  }

  /** If it is not to be written before. */
  in(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      try {
        this.now()
      } catch (cause) {
        if (!this.#failing) this.#failed(cause)
        this.#failing = true
        this.in(AGAIN_AFTER_MS)
      }
    }, milliseconds).unref()
  }

  /** @throws what the writing throws */
  now(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#write()
    this.#failing = false
  }
}
