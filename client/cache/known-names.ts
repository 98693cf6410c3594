import { ABSENT, believedAs, type Directory, type Known } from './known.js'

/**
 * What the cache keeps of names, absent ones too. Of too many those of a directory go of which nothing was learned for longest. A
 * directory counts as a name, or empty ones would be kept without end.
 */
export class KnownNames {
  readonly #directories = new Map<number, Directory>()
  readonly #limit: number
  readonly #forgotten: (directory: number, names: Iterable<string>) => void
  #count = 0

  constructor(limit: number, forgotten: (directory: number, names: Iterable<string>) => void) {
    this.#limit = limit
    this.#forgotten = forgotten
  }

  of(directory: number): Directory | undefined {
    return this.#directories.get(directory)
  }

  set(directory: number, name: string, ino: Known<number>): void {
    const known = this.of(directory) ?? this.#begin(directory)
    this.#directories.delete(directory)
    this.#directories.set(directory, known)
    if (!known.names.has(name)) this.#count += 1
    known.names.set(name, ino)
    this.#forgetOldest()
  }

  /** These are all names of the directory, unless there were too many of them to remember. */
  setComplete(directory: number, listed: readonly { name: string }[], complete: Known<true>): void {
    let known = this.of(directory)
    if (known === undefined && listed.length === 0) {
      known = this.#begin(directory)
      this.#forgetOldest()
    }
    if (known === undefined || !listed.every(({ name }) => known.names.has(name))) return
    if (known.names.size > listed.length) this.#keepOnly(listed, known, complete)
    known.complete = complete
  }

  /** Of all names that a directory may have this one was asked for, and is none of those that it has. */
  setAbsent(directory: number, name: string): void {
    const { names, complete } = this.of(directory) ?? {}
    if (complete !== undefined && names?.has(name) === false)
      this.set(directory, name, believedAs(complete, ABSENT))
  }

  forget(directory: number): void {
    const known = this.#take(directory)
    if (known !== undefined && known.names.size > 0) this.#forgotten(directory, known.names.keys())
  }

  /** The directory is gone, and for the kernel all that was in it. */
  removed(directory: number): void {
    this.#take(directory)
  }

  forgetName(directory: number, name: string): void {
    const known = this.of(directory)
    if (known === undefined) return
    known.complete = undefined
    if (known.names.delete(name)) this.#count -= 1
  }

  *where(isWanted: (known: Known<number>) => boolean): Generator<NameIn> {
    for (const directory of this.#directories.keys())
      for (const name of this.in(directory, isWanted)) yield { directory, name }
  }

  *in(directory: number, isWanted: (known: Known<number>) => boolean): Generator<string> {
    for (const [name, known] of this.of(directory)?.names ?? []) if (isWanted(known)) yield name
  }

  #take(directory: number): Directory | undefined {
    const known = this.of(directory)
    if (known === undefined) return undefined
    this.#directories.delete(directory)
    this.#count -= known.names.size + 1
    return known
  }

  #begin(directory: number): Directory {
    const known = { names: new Map(), complete: undefined }
    this.#directories.set(directory, known)
    this.#count += 1
    return known
  }

  #forgetOldest(): void {
    while (this.#count > this.#limit) {
      const [oldest] = this.#directories.keys()
      if (oldest === undefined) return
      this.forget(oldest)
    }
  }

  /** Others may have removed, while nobody told, what stood there before. What is absent is so still. */
  #keepOnly(
    listed: readonly { name: string }[],
    { names }: Directory,
    complete: Known<true>,
  ): void {
    const there = new Set(listed.map(({ name }) => name))
    for (const [name, { value }] of names) {
      if (there.has(name)) continue
      if (value === ABSENT) names.set(name, believedAs(complete, ABSENT))
      else if (names.delete(name)) this.#count -= 1
    }
  }
}

export interface NameIn {
  readonly directory: number
  readonly name: string
}
