/**
 * Tells our own changes of a file from others': each of ours adds at most one to its version, so a version beyond that
 * is somebody else's. It can only be told while none of our requests is under way.
 */
export class Versions {
  #before: number
  #own = 0
  #last: number

  constructor(version: number) {
    this.#before = version
    this.#last = version
  }

  /** Everything up to this version is known. */
  start(version: number): void {
    this.#before = version
    this.#own = 0
    this.#last = version
  }

  /** The version before the changes that are being counted. */
  get before(): number {
    return this.#before
  }

  /** A change of ours: the version it made, if it was one of content. */
  made(changes: 0 | 1, version: number): void {
    this.#own += changes
    if (changes === 1) this.#last = Math.max(this.#last, version)
  }

  /** Whether one of ours went over somebody else's; not, if theirs came after ours. */
  get haveOvertaken(): boolean {
    return this.#last > this.#before + this.#own
  }

  /** @param more changes of ours that are not counted yet */
  isOurs(version: number, more: 0 | 1 = 0): boolean {
    return version <= this.#before + this.#own + more
  }
}
