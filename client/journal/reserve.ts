import { open, rename, rm, stat, statfs, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOM } from './record.js'
import { Segment } from './segment.js'

/** Of each of the 50,000 changes that may wait, that it is done. */
const MOST_BYTES = 8 << 20
/** Of it, for what a mount writes that begins on a full disk: how commands find it, its log. */
const MOUNT_SHARE = 1 / 8
const PIECE = Buffer.alloc(1 << 20, ROOM)

/**
 * Room for the time when the disk has none: that something was sent must be noted, or it is sent again after a crash. It is a
 * file that becomes a segment then and is written over in place, so that nobody else can take the room.
 */
export class Reserve {
  /** What it takes on the disk when it is whole. */
  readonly bytes: number
  readonly #directory: string
  readonly #path: string
  #length: number

  private constructor(directory: string, bytes: number, length: number) {
    this.#directory = directory
    this.#path = reserveFile(directory)
    this.bytes = bytes
    this.#length = length
  }

  /** As an earlier run left it, if there was one. */
  static async of(directory: string, limitBytes: number): Promise<Reserve> {
    const bytes = Math.min(MOST_BYTES, Math.floor(limitBytes / 4))
    const found = await stat(reserveFile(directory)).catch(() => undefined)
    return new Reserve(directory, bytes, found?.size ?? 0)
  }

  /** Makes it whole. @throws Error where there is no room, and takes none then */
  async keep(): Promise<void> {
    if (this.#length >= this.bytes) return
    if ((await free(this.#directory)) < this.bytes - this.#length) {
      throw new Error(`${this.#directory}: the disk is full`)
    }
    await this.#fill(this.bytes)
  }

  /** It is there no more, but as this segment. */
  asSegment(path: string): Segment | undefined {
    const bytes = this.#length
    if (bytes === 0) return undefined
    this.#length = 0
    return Segment.reserved(path, bytes, () => rename(this.#path, path))
  }

  /** Leaves room for the mount that begins: gives some back where the disk is full, and takes no more than there is. */
  async begin(): Promise<void> {
    const share = Math.ceil(this.bytes * MOUNT_SHARE)
    const room = (await free(this.#directory)) - share
    if (room > 0) return this.#fill(Math.min(this.bytes, this.#length + room)).catch(() => {})
    if (this.#length === 0) return
    this.#length -= Math.min(share, Math.ceil(this.#length / 2))
    await truncate(this.#path, this.#length)
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true })
    this.#length = 0
  }

  async #fill(bytes: number): Promise<void> {
    const file = await open(this.#path, 'a', 0o600)
    try {
      for (let length = this.#length; length < bytes; ) {
        const piece = PIECE.subarray(0, bytes - length)
        length += (await file.write(piece)).bytesWritten
      }
      this.#length = Math.max(this.#length, bytes)
    } catch (error) {
      await file.truncate(this.#length)
      throw error
    } finally {
      await file.close()
    }
  }
}

function reserveFile(directory: string): string {
  return join(directory, 'reserve')
}

async function free(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}
