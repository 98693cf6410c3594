/** Names that wait to be brought into directories, until a lease is given back or over. */
export class Arrivals {
  readonly #waiting = new Map<number, Set<() => void>>()

  /** Resolves when there may be something new about a directory. */
  news(directory: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(directory) ?? new Set()
      this.#waiting.set(directory, waiting.add(resolve))
    })
  }

  isAwaited(directory: number): boolean {
    return this.#waiting.has(directory)
  }

  look(directory: number): void {
    const waiting = this.#waiting.get(directory)
    this.#waiting.delete(directory)
    for (const resolve of waiting ?? []) resolve()
  }

  lookAll(): void {
    for (const directory of [...this.#waiting.keys()]) this.look(directory)
  }
}
