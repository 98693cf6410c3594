import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { join } from 'node:path'
import type { Disk } from './disk.js'

const PIECE_BYTES = 1024 * 1024

export function ballastFile(directory: string): string {
  return join(directory, 'ballast')
}

/**
 * Room for the time when the disk has none: what removes a file first takes some, for the log of the database. It is a file of the
 * data directory, which goes then, and comes back when there is room again.
 */
export class Ballast {
  readonly #disk: Disk
  readonly #directory: string
  readonly #file: string
  readonly #bytes: number
  readonly #reserve: number
  #keeping: Promise<void> = Promise.resolve()

  /** @param reserve bytes of the disk that it leaves */
  constructor(
    disk: Disk,
    directory: string,
    { bytes, reserve }: { readonly bytes: number; readonly reserve: number },
  ) {
    this.#disk = disk
    this.#directory = directory
    this.#file = ballastFile(directory)
    this.#bytes = bytes
    this.#reserve = reserve
  }

  /** Makes it where it is missing and there is room. */
  keep(): Promise<void> {
    this.#keeping = this.#keeping.then(async () => {
      try {
        await this.#fill()
      } catch {
        this.giveUp() // a part of it is in the way of others
      }
    })
    return this.#keeping
  }

  /** Resolves when it is not being made. */
  async end(): Promise<void> {
    await this.#keeping
  }

  /** Answers whether that made room. */
  giveUp(): boolean {
    try {
      this.#disk.unlinkSync(this.#file)
      return true
    } catch {
      return false
    }
  }

  async #fill(): Promise<void> {
    if (this.#bytes === 0) return
    if (this.#disk.space(this.#directory).free < this.#reserve + this.#bytes) return
    const fd = this.#disk.open(this.#file, constants.O_RDWR | constants.O_CREAT)
    try {
      let { length } = this.#disk.stat(fd)
      if (length >= this.#bytes) return
      // what no file system makes smaller
      const piece = randomBytes(PIECE_BYTES)
      for (; length < this.#bytes; length += piece.length) {
        await this.#disk.write(fd, [piece], length)
      }
    } finally {
      this.#disk.close(fd)
    }
  }
}
