import type { NameIn } from './known-names.js'

/** Some hundred thousand names. */
const MOST_CHARACTERS = 16 << 20
/** Shorter than this a text is not worth looking through. */
const SHORT_CHARACTERS = 4096

/** Names with slashes between them, which may be in it more than once. */
interface Names {
  readonly text: string
  /** How long it was when each was in it once. */
  readonly lengthOnce: number
}

/**
 * Names of which the cache knows nothing any more, because there were too many or something was wrong with them, while the kernel may
 * still believe them. As text, which takes a fraction of the room; of too many those are lost that came first.
 */
export class ForgottenNames {
  readonly #directories = new Map<number, Names>()
  readonly #most: number
  #length = 0

  constructor(most = MOST_CHARACTERS) {
    this.#most = most
  }

  add(directory: number, names: Iterable<string>): void {
    const known = this.#directories.get(directory)
    const added = [...names].join('/')
    const text = known === undefined ? added : `${known.text}/${added}`
    const all = eachOnceAtTimes(text, known?.lengthOnce ?? 0)
    this.#remove(directory)
    this.#directories.set(directory, all)
    this.#length += all.text.length
    for (const oldest of this.#directories.keys()) {
      if (this.#length <= this.#most) return
      this.#remove(oldest)
    }
  }

  *all(): Generator<NameIn> {
    for (const [directory, { text }] of this.#directories)
      for (const name of new Set(text.split('/'))) yield { directory, name }
  }

  clear(): void {
    this.#directories.clear()
    this.#length = 0
  }

  #remove(directory: number): void {
    this.#length -= this.#directories.get(directory)?.text.length ?? 0
    this.#directories.delete(directory)
  }
}

/** Looks through the text only when it has doubled: a directory may be forgotten time and again, a few names at a time. */
function eachOnceAtTimes(text: string, lengthOnce: number): Names {
  if (text.length <= Math.max(2 * lengthOnce, SHORT_CHARACTERS)) return { text, lengthOnce }
  const once = [...new Set(text.split('/'))].join('/')
  return { text: once, lengthOnce: once.length }
}
