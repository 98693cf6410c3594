import { constants } from 'node:fs'
import { FileError } from '../../errors.js'
import type { Disk } from './disk.js'

const PIECE_BYTES = 1024 * 1024

/** The database whose log it is. */
export interface LoggedDatabase {
  /** Does work while nobody writes to the log. */
  alone(work: () => void): void
  /** Writes all of the log back to the database and cuts it to nothing. @returns false if somebody reads what is older */
  emptyLog(): boolean
}

/**
 * The write-ahead log of SQLite, as it gets to the disk.
 *
 * The kernel tells once that a sync has failed, counts as clean what is not on the disk, and is content with the next one. SQLite reads
 * a log up to the first page that is not whole: without those pages everything that is committed after them would be lost with the
 * power, whatever was answered. So all of the log is written again, as it is. Ext4 does not find again blocks that were new
 * when writing them failed, so that the log begins anew afterwards: in blocks that have not failed.
 */
export class LogFile {
  readonly #disk: Disk
  readonly #path: string
  readonly #database: LoggedDatabase
  #fd: number | undefined
  /** At first it is not known: what an earlier process was told, it has not passed on. */
  #state: 'sound' | 'unknown' | 'failed' = 'unknown'

  constructor(disk: Disk, path: string, database: LoggedDatabase) {
    this.#disk = disk
    this.#path = path
    this.#database = database
  }

  /** What was committed before is on the disk. One at a time. */
  async sync(): Promise<void> {
    this.#fd ??= this.#disk.open(this.#path, constants.O_RDWR)
    const fd = this.#fd
    if (this.#state !== 'sound') return this.#mend(fd)
    try {
      await this.#disk.fdatasync(fd)
    } catch (error) {
      this.#state = 'failed'
      // At once: written back to the database by parts, a log with a gap would spoil that when the power is lost.
      await this.#mend(fd).catch(() => {})
      throw error
    }
  }

  close(): void {
    if (this.#fd !== undefined) this.#disk.close(this.#fd)
    this.#fd = undefined
  }

  async #mend(fd: number): Promise<void> {
    this.#database.alone(() => this.#writeAgain(fd))
    await this.#disk.fdatasync(fd)
    if (this.#state === 'failed') {
      if (!this.#database.emptyLog()) {
        const why = 'a sync of the log has failed, which cannot be begun anew while it is read'
        throw new FileError('EIO', why)
      }
      await this.#disk.fdatasync(fd)
    }
    this.#state = 'sound'
  }

  #writeAgain(fd: number): void {
    const { length } = this.#disk.stat(fd)
    for (let position = 0; position < length; position += PIECE_BYTES) {
      const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, length - position))
      const bytes = this.#disk.readSync(fd, piece, position)
      this.#disk.writeSync(fd, piece.subarray(0, bytes), position)
    }
  }
}
