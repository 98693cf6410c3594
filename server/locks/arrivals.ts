import { FileError } from '../errors.js'

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: FileError) => void
}

/** Names that wait to be brought into directories, until a lease is given back or over. */
export class Arrivals {
  readonly #waiting = new Map<number, Set<Waiting>>()
  #isStopping = false

  /** Resolves when there may be something new about a directory. @throws FileError EBUSY when the server stops */
  news(directory: number): Promise<void> {
    if (this.#isStopping) return Promise.reject(stopping())
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(directory) ?? new Set()
      this.#waiting.set(directory, waiting.add({ resolve, reject }))
    })
  }

  isAwaited(directory: number): boolean {
    return this.#waiting.has(directory)
  }

  look(directory: number): void {
    const waiting = this.#waiting.get(directory)
    this.#waiting.delete(directory)
    for (const { resolve } of waiting ?? []) resolve()
  }

  lookAll(): void {
    for (const directory of [...this.#waiting.keys()]) this.look(directory)
  }

  /** Who has the lease can no longer be asked for it: nobody waits for that. */
  stop(): void {
    this.#isStopping = true
    for (const waiting of this.#waiting.values()) {
      for (const { reject } of waiting) reject(stopping())
    }
    this.#waiting.clear()
  }
}

function stopping(): FileError {
  return new FileError('EBUSY', 'the server stops; ask again when it is back')
}
