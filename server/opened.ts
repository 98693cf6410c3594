/** What has been opened, and how each of it is closed: the last first, whether everything came to be or not. */
export class Opened {
  readonly #closers: (() => unknown)[] = []
  #closed: Promise<void> | undefined

  /** Hands the thing through, so that opening and closing stand on one line. */
  keep<T>(thing: T, close: (thing: T) => unknown): T {
    this.#closers.push(() => close(thing))
    return thing
  }

  /** Once, however often it is called. What fails does not keep the rest from being closed. */
  close(): Promise<void> {
    this.#closed ??= this.#closeAll()
    return this.#closed
  }

  async #closeAll(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closers.reverse()) {
      try {
        await close()
      } catch (failure) {
        failures.push(failure)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be closed')
  }
}
