import type { Directory, Known } from './known.js'

/** What the cache keeps of names, absent ones too. Of too many those of a directory go of which nothing was learned for longest. */
export class KnownNames {
  readonly #directories = new Map<number, Directory>()
  readonly #limit: number
  #count = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  of(directory: number): Directory | undefined {
    return this.#directories.get(directory)
  }

  set(directory: number, name: string, ino: Known<number>): void {
    const known = this.of(directory) ?? { names: new Map(), complete: undefined }
    this.#directories.delete(directory)
    this.#directories.set(directory, known)
    if (!known.names.has(name)) this.#count += 1
    known.names.set(name, ino)
    while (this.#count > this.#limit) {
      const [oldest] = this.#directories.keys()
      if (oldest === undefined) return
      this.forget(oldest)
    }
  }

  /** These are all names of the directory, unless there were too many of them to remember. */
  setComplete(directory: number, listed: readonly { name: string }[], complete: Known<true>): void {
    let known = this.of(directory)
    if (known === undefined && listed.length === 0) {
      known = { names: new Map(), complete: undefined }
      this.#directories.set(directory, known)
    }
    if (known === undefined || known.names.size < listed.length) return
    if (known.names.size > listed.length) this.#keepOnly(listed, known)
    known.complete = complete
  }

  forget(directory: number): void {
    const known = this.of(directory)
    if (known === undefined) return
    this.#directories.delete(directory)
    this.#count -= known.names.size
  }

  forgetName(directory: number, name: string): void {
    const known = this.of(directory)
    if (known === undefined) return
    known.complete = undefined
    if (known.names.delete(name)) this.#count -= 1
  }

  *where(isWanted: (known: Known<number>) => boolean): Generator<NameIn> {
    for (const [directory, { names }] of this.#directories) {
      for (const [name, known] of names) if (isWanted(known)) yield { directory, name }
    }
  }

  /** Others may have removed, while nobody told, what stood there before. */
  #keepOnly(listed: readonly { name: string }[], { names }: Directory): void {
    const there = new Set(listed.map(({ name }) => name))
    for (const name of names.keys()) {
      if (!there.has(name) && names.delete(name)) this.#count -= 1
    }
  }
}

export interface NameIn {
  readonly directory: number
  readonly name: string
}
