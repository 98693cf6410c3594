/** The longest body that is put together in one piece: a part of a long file, as mounts send it. */
const LENT_BYTES = 4 << 20
/** For shorter ones it is not worth it. */
const LEAST_BYTES = 1 << 20
/** Of bodies that come at the same time so many have such memory; others stay in the pieces they come in. */
const MOST_LENT = 6

/** Memory for one body. */
export interface Lent {
  /** Taken when it is first looked at. */
  readonly data: Buffer
  /** Nobody looks at the data any more. */
  giveBack(): void
  /** Somebody might: it is left to the garbage collector. */
  giveUp(): void
}

/**
 * Memory of long bodies that wait to be written, used again for the next ones. In the pieces of 16 KiB that they come in, a few of
 * them are so much to the garbage collector, which counts their bytes, that it would mark the whole heap for every dozen.
 */
export class LentMemory {
  readonly #spare: Buffer[] = []
  #lent = 0

  /** @returns undefined where the body is to stay in its pieces */
  take(bytes: number): Lent | undefined {
    if (bytes < LEAST_BYTES || bytes > LENT_BYTES || this.#lent === MOST_LENT) return undefined
    this.#lent += 1
    const spare = this.#spare
    let whole: Buffer | undefined
    const over = () => {
      this.#lent -= 1
    }
    return {
      get data() {
        whole ??= spare.pop() ?? Buffer.allocUnsafeSlow(LENT_BYTES)
        return whole.subarray(0, bytes)
      },
      giveBack() {
        over()
        if (whole !== undefined) spare.push(whole)
      },
      giveUp: over,
    }
  }
}
