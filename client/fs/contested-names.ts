import { dropOldest } from '../drop-oldest.js'

/** So long after others gave or took a name in a directory. */
const OTHERS_MILLISECONDS = 10_000
/** So long after a program here was given a name in it that may be a lock. */
const OURS_MILLISECONDS = 600_000
const MOST_DIRECTORIES = 10_000

/**
 * Directories in which others just gave or took names, and programs here try for names, too. The kernel takes word of a name only
 * while nothing that gives one is under way in its directory: where programs try for a lock file, that is hardly ever, and who gets it
 * would find names that have gone. So of these directories the kernel is to believe no names, and asks us, who know.
 */
export class ContestedNames {
  readonly #byOthers: Recent
  readonly #byUs: Recent

  constructor(now: () => number) {
    this.#byOthers = new Recent(OTHERS_MILLISECONDS, now)
    this.#byUs = new Recent(OURS_MILLISECONDS, now)
  }

  /** Others gave or took a name in it. */
  add(directory: number): void {
    this.#byOthers.add(directory)
  }

  /** A program here tries for a name in it that others may want as well. */
  tried(directory: number): void {
    this.#byUs.add(directory)
  }

  has(directory: number): boolean {
    return this.#byOthers.has(directory) && this.#byUs.has(directory)
  }
}

/** Directories in which something was done a while ago, at most. */
class Recent {
  /** When it was, oldest first. */
  readonly #times = new Map<number, number>()
  readonly #milliseconds: number
  readonly #now: () => number

  constructor(milliseconds: number, now: () => number) {
    this.#milliseconds = milliseconds
    this.#now = now
  }

  add(directory: number): void {
    this.#times.delete(directory)
    this.#times.set(directory, this.#now())
    dropOldest(this.#times, MOST_DIRECTORIES)
    for (const oldest of this.#times.keys()) {
      if (this.has(oldest)) return
      this.#times.delete(oldest)
    }
  }

  has(directory: number): boolean {
    const time = this.#times.get(directory)
    return time !== undefined && this.#now() - time < this.#milliseconds
  }
}
