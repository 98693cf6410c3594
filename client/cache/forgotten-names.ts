import type { NameIn } from './known-names.js'

/** Some hundred thousand names. */
const MOST_CHARACTERS = 16 << 20

/**
 * Names of which the cache knows nothing any more, because there were too many or something was wrong with them, while the kernel may
 * still believe them. As text, which takes a fraction of the room; of too many those are lost that came first.
 */
export class ForgottenNames {
  readonly #directories = new Map<number, string>()
  readonly #most: number
  #length = 0

  constructor(most = MOST_CHARACTERS) {
    this.#most = most
  }

  add(directory: number, names: Iterable<string>): void {
    const all = new Set([...this.#of(directory), ...names])
    this.#remove(directory)
    const text = [...all].join('/')
    this.#directories.set(directory, text)
    this.#length += text.length
    for (const oldest of this.#directories.keys()) {
      if (this.#length <= this.#most) return
      this.#remove(oldest)
    }
  }

  *all(): Generator<NameIn> {
    for (const directory of this.#directories.keys())
      for (const name of this.#of(directory)) yield { directory, name }
  }

  clear(): void {
    this.#directories.clear()
    this.#length = 0
  }

  #of(directory: number): string[] {
    return this.#directories.get(directory)?.split('/') ?? []
  }

  #remove(directory: number): void {
    this.#length -= this.#directories.get(directory)?.length ?? 0
    this.#directories.delete(directory)
  }
}
