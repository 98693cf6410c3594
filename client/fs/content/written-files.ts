import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { WrittenPiece } from './dirty-blocks.js'

/** Files up to this are kept. */
const SMALL_BYTES = 64 << 10
/** So much of the limit is kept when it was passed. */
const KEPT_SHARE = 7 / 8

interface Written {
  readonly data: Buffer
  readonly version: number
}

/**
 * Small files as this machine has just written them. The kernel keeps only whole pages of what is written, so a program
 * that reads its file again (git its configuration, make what was compiled) would wait for the server to send it back.
 */
export class WrittenFiles {
  /** Those written last come last. */
  readonly #files = new Map<number, Written>()
  readonly #limit: number
  #bytes = 0

  /** @param limit bytes of all together */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** @param pieces what was sent, if that is the whole file; copied, for its memory is used again */
  keep({ ino, size, version }: WireAttributes, pieces: readonly WrittenPiece[]): void {
    this.#drop(ino)
    if (size === 0 || size > SMALL_BYTES || !isWhole(pieces, size)) return
    this.#files.set(ino, { data: Buffer.concat(pieces.map(({ data }) => data)), version })
    this.#bytes += size
    if (this.#bytes > this.#limit) this.#dropOldest()
  }

  /** @param version that the file has now */
  read(
    ino: number,
    offset: number,
    length: number,
    version: number | undefined,
  ): Buffer | undefined {
    const written = this.#files.get(ino)
    if (written === undefined) return undefined
    if (written.version === version) return written.data.subarray(offset, offset + length)
    if (version !== undefined) this.#drop(ino)
    return undefined
  }

  drop(): void {
    this.#files.clear()
    this.#bytes = 0
  }

  /** Some at a time: to look for the oldest one of a Map takes long where others have just gone. */
  #dropOldest(): void {
    for (const oldest of this.#files.keys()) {
      this.#drop(oldest)
      if (this.#bytes <= this.#limit * KEPT_SHARE) return
    }
  }

  #drop(ino: number): void {
    this.#bytes -= this.#files.get(ino)?.data.length ?? 0
    this.#files.delete(ino)
  }
}

function isWhole(pieces: readonly WrittenPiece[], size: number): boolean {
  let end = 0
  for (const { offset, data } of pieces) {
    if (offset !== end) return false
    end += data.length
  }
  return end === size
}
