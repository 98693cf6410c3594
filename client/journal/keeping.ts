/** When what was noted has to be on the disk before something else is done: it could not be found out again. */
export class Keeping {
  #isOwed = false
  #kept: Promise<void> = Promise.resolve()

  owe(): void {
    this.#isOwed = true
  }

  /** @param sync resolves once all that was noted by now survives loss of power, or cannot */
  kept(sync: () => Promise<unknown>): Promise<void> {
    if (this.#isOwed) {
      this.#isOwed = false
      this.#kept = sync().then(() => {})
    }
    return this.#kept
  }
}
