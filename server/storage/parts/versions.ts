/**
 * Versions of contents: a client that has a content of an inode in its cache knows it by its version. One that the power took with it may be known to
 * clients and to backups, so what comes after that begins beyond.
 */
export class Versions {
  /** What no version was before the power was lost. */
  readonly floor: number

  constructor(floor: number) {
    this.floor = floor
  }

  /** Of a content that has changed. */
  after(version: number): number {
    return Math.max(version + 1, this.floor)
  }
}
