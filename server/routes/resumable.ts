import { randomBytes } from 'node:crypto'
import { FileError } from '../errors.js'
import { Refusal } from '../http/refusal.js'
import type { Inode, Upload, UserId } from '../storage/storage.js'

/** Each holds an open file and some memory. */
const MAX_PER_USER = 20
const MAX_OF_ALL = 500
/** Remembered in all, so that a client whose last answer was lost learns that it was done. */
const MAX_REMEMBERED = 2000

/** An upload that is made in several requests. */
export interface ResumableUpload {
  readonly id: string
  readonly owner: UserId
  readonly length: number
  readonly upload: Upload
  /** Puts what has come in its place. */
  readonly commit: () => Promise<Inode>
  /** Once it is complete: what it became. */
  finished: Inode | undefined
  expires: Date
}

interface Kept extends ResumableUpload {
  timer: NodeJS.Timeout | undefined
  /** The request that is at it, and how to break it off. */
  busy: { readonly done: Promise<void>; readonly breakOff: () => void } | undefined
}

/** The uploads under way. They live as long as this process, or until nobody has touched them for a while. */
export class ResumableUploads {
  readonly #kept = new Map<string, Kept>()
  readonly #lifetimeMilliseconds: number
  readonly #clock: () => Date

  constructor(lifetimeMilliseconds: number, clock: () => Date) {
    this.#lifetimeMilliseconds = lifetimeMilliseconds
    this.#clock = clock
  }

  /** @throws Refusal 429 */
  requireRoom(owner: UserId): void {
    const all = [...this.#kept.values()].filter(({ finished }) => finished === undefined)
    const own = all.filter((one) => one.owner === owner)
    if (own.length < MAX_PER_USER && all.length < MAX_OF_ALL) return
    throw new Refusal(429, 'too many uploads are under way: finish or delete some')
  }

  add(upload: Pick<ResumableUpload, 'owner' | 'length' | 'upload' | 'commit'>): ResumableUpload {
    const id = randomBytes(16).toString('base64url')
    const more = { id, finished: undefined, expires: this.#clock() }
    const kept: Kept = { ...upload, ...more, timer: undefined, busy: undefined }
    this.#kept.set(id, kept)
    this.#forgetFinished()
    this.#touch(kept)
    return kept
  }

  /**
   * Does something with an upload, alone: a request that is still at it lost its client, and is broken off.
   * @throws FileError ENOENT, for an unknown one as for somebody else's
   */
  async hold<T>(
    owner: UserId,
    id: string,
    breakOff: () => void,
    work: (upload: ResumableUpload) => Promise<T>,
  ): Promise<T> {
    const kept = this.#kept.get(id)
    if (kept === undefined || kept.owner !== owner) {
      throw new FileError('ENOENT', 'there is no such upload, or it has expired: begin a new one')
    }
    while (kept.busy !== undefined) {
      kept.busy.breakOff()
      await kept.busy.done
    }
    let release = () => {}
    const done = new Promise<void>((resolve) => {
      release = resolve
    })
    kept.busy = { done, breakOff }
    try {
      if (!this.#kept.has(id)) throw new FileError('ENOENT', 'the upload was given up')
      return await work(kept)
    } finally {
      kept.busy = undefined
      if (this.#kept.has(id)) this.#touch(kept)
      release()
    }
  }

  async discard(upload: ResumableUpload): Promise<void> {
    clearTimeout(this.#kept.get(upload.id)?.timer)
    this.#kept.delete(upload.id)
    if (upload.finished === undefined) await upload.upload.abort()
  }

  #forgetFinished(): void {
    if (this.#kept.size <= MAX_REMEMBERED) return
    const oldest = [...this.#kept.values()].find(({ finished }) => finished !== undefined)
    if (oldest === undefined) return
    clearTimeout(oldest.timer)
    this.#kept.delete(oldest.id)
  }

  #touch(kept: Kept): void {
    clearTimeout(kept.timer)
    kept.expires = new Date(this.#clock().getTime() + this.#lifetimeMilliseconds)
    kept.timer = setTimeout(() => {
      if (kept.busy === undefined) void this.discard(kept).catch(() => {})
    }, this.#lifetimeMilliseconds).unref()
  }
}
