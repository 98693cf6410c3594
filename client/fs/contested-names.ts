/** So long after others gave or took a name in a directory. */
const CONTESTED_MILLISECONDS = 10_000

/**
 * Directories in which others just gave or took names. The kernel takes word of a name only while nothing that gives one is under way
 * in its directory: where programs try for a lock file, that is hardly ever, and who gets it would find names that have gone. So of
 * these directories the kernel is to believe no names, and asks us, who know.
 */
export class ContestedNames {
  /** Since when, oldest first. */
  readonly #directories = new Map<number, number>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Others gave or took a name in it. */
  add(directory: number): void {
    this.#directories.delete(directory)
    this.#directories.set(directory, this.#now())
    for (const oldest of this.#directories.keys()) {
      if (this.has(oldest)) return
      this.#directories.delete(oldest)
    }
  }

  has(directory: number): boolean {
    const since = this.#directories.get(directory)
    return since !== undefined && this.#now() - since < CONTESTED_MILLISECONDS
  }
}
