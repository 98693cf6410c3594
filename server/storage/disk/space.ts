import { FileError } from '../../errors.js'
import type { Disk } from './disk.js'

/** How long, and for how many bytes, one statfs(2) is believed. */
const BELIEVED_MILLISECONDS = 1000
const BELIEVED_BYTES = 16 * 1024 * 1024
const SHORT_BYTES = 1024 * 1024 * 1024

/** The disk's free space: a reserve of it is never given to files, so that metadata, logs and fsck have room. */
export class Space {
  readonly #disk: Disk
  readonly #path: string
  readonly #reserve: number
  #total = 0
  #free = 0
  #taken = 0
  #asked = Number.NEGATIVE_INFINITY

  constructor(disk: Disk, path: string, reserve: number) {
    this.#disk = disk
    this.#path = path
    this.#reserve = reserve
  }

  /** Bytes are about to be written. @throws ENOSPC */
  take(bytes: number): void {
    this.#taken += bytes
    this.require(bytes)
  }

  /** @throws ENOSPC if there is no room for so many bytes */
  require(bytes: number): void {
    if (this.numbers().free >= bytes) return
    throw new FileError('ENOSPC', 'the disk of the server is full; free some space and try again')
  }

  /** Whether room that is given back had better be there at once. */
  isShort(): boolean {
    return this.numbers().free < SHORT_BYTES
  }

  /** Bytes of the disk, and those that files may still take. */
  numbers(): { total: number; free: number } {
    const now = Date.now()
    if (this.#taken >= BELIEVED_BYTES || Math.abs(now - this.#asked) > BELIEVED_MILLISECONDS) {
      const { total, free } = this.#disk.space(this.#path)
      this.#total = total
      this.#free = free
      this.#taken = 0
      this.#asked = now
    }
    return { total: this.#total, free: Math.max(0, this.#free - this.#taken - this.#reserve) }
  }
}
