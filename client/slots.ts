/** So many at once, and who is in a hurry before the others. */
export class Slots {
  #free: number
  readonly #urgent: (() => void)[] = []
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async take(isUrgent = () => false): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1
      return
    }
    await new Promise<void>((resolve) => {
      const queue = isUrgent() ? this.#urgent : this.#waiting
      queue.push(resolve)
    })
  }

  give(): void {
    const next = this.#urgent.shift() ?? this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}
