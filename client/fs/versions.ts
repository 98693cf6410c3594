/**
 * Tells our own changes of a file from others': each of ours adds at most one to its version, so a version beyond that
 * is somebody else's. It can only be told while none of our requests is under way.
 */
export class Versions {
  #before: number
  #own = 0

  constructor(version: number) {
    this.#before = version
  }

  /** Everything up to this version is known. */
  start(version: number): void {
    this.#before = version
    this.#own = 0
  }

  /** The version before the changes that are being counted. */
  get before(): number {
    return this.#before
  }

  made(changes: 0 | 1): void {
    this.#own += changes
  }

  /** @param more changes of ours that are not counted yet */
  isOurs(version: number, more: 0 | 1 = 0): boolean {
    return version <= this.#before + this.#own + more
  }
}
