import { BoundedMap } from '../../../server/bounded-map.js'

/** So long after others gave or took names in a directory, or programs here tried for some, more are to be expected. */
const BUSY_MILLISECONDS = 10_000
/** So long after others and programs here were after the same name it may be a lock. */
const DISPUTED_MILLISECONDS = 600_000
/** Directories or names that are remembered. */
const MOST = 20_000

/**
 * Directories in which others just gave or took names, and programs here try for names, too. The kernel takes word of a name only
 * while nothing that gives one is under way in its directory: where programs try for a lock file, that is hardly ever, and who gets it
 * would find names that have gone. So of these directories the kernel is to believe no names, and asks us, who know.
 *
 * That a name was given tells a program only of what those did before who gave or took the same one. Where nobody else was after a
 * name of ours there is no lock; but until that is seen any may be one, so there it is enough that both were just busy.
 */
export class ContestedNames {
  readonly #byOthers: Recent<number>
  readonly #byUs: Recent<number>
  readonly #theirs: Recent<string>
  readonly #ours: Recent<string>
  readonly #disputed: Recent<number>

  constructor(now: () => number) {
    this.#byOthers = new Recent(BUSY_MILLISECONDS, now)
    this.#byUs = new Recent(BUSY_MILLISECONDS, now)
    this.#theirs = new Recent(DISPUTED_MILLISECONDS, now)
    this.#ours = new Recent(DISPUTED_MILLISECONDS, now)
    this.#disputed = new Recent(DISPUTED_MILLISECONDS, now)
  }

  /** Others gave or took a name. @returns whether it is the first one there that both are after */
  add(directory: number, name: string): boolean {
    const key = `${directory}/${name}`
    this.#byOthers.add(directory)
    this.#theirs.add(key)
    return this.#ours.has(key) && this.#dispute(directory)
  }

  /** A program here tries for a name that others may want as well. @returns as `add` */
  tried(directory: number, name: string): boolean {
    const key = `${directory}/${name}`
    this.#byUs.add(directory)
    this.#ours.add(key)
    return this.#theirs.has(key) && this.#dispute(directory)
  }

  has(directory: number): boolean {
    if (!this.#byOthers.has(directory)) return false
    return this.#disputed.has(directory) || this.#byUs.has(directory)
  }

  #dispute(directory: number): boolean {
    const isFirst = !this.#disputed.has(directory)
    this.#disputed.add(directory)
    return isFirst
  }
}

/** What something was done with a while ago, at most. */
class Recent<Key> {
  readonly #times = new BoundedMap<Key, number>(MOST)
  readonly #milliseconds: number
  readonly #now: () => number

  constructor(milliseconds: number, now: () => number) {
    this.#milliseconds = milliseconds
    this.#now = now
  }

  add(key: Key): void {
    this.#times.set(key, this.#now())
  }

  has(key: Key): boolean {
    const time = this.#times.get(key)
    return time !== undefined && this.#now() - time < this.#milliseconds
  }
}
