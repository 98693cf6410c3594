import { randomBytes } from 'node:crypto'
import { FileError } from '../../errors.js'
import { Refusal } from '../../http/refusal.js'
import type { Ino, ResumableUpload, Tree } from '../../storage/storage.js'

const MAX_PER_USER = 20
const MAX_OF_ALL = 500

/** A request that is at an upload, and how to break it off. */
interface Busy {
  readonly done: Promise<void>
  readonly breakOff: () => void
}

/** Uploads that are made in several requests. The storage keeps them; here is who is at which, one at a time. */
export class ResumableUploads {
  readonly #busy = new Map<string, Busy>()
  readonly #lifetimeMilliseconds: number
  readonly #clock: () => Date

  constructor(lifetimeMilliseconds: number, clock: () => Date) {
    this.#lifetimeMilliseconds = lifetimeMilliseconds
    this.#clock = clock
  }

  /** @throws Refusal 429 */
  async begin(
    tree: Tree,
    what: { readonly length: number; readonly details: string; readonly replaces?: Ino },
  ): Promise<string> {
    const { own, all } = await tree.uploadsUnderWay()
    if (own >= MAX_PER_USER || all >= MAX_OF_ALL) {
      throw new Refusal(429, 'too many uploads are under way: finish or delete some')
    }
    const id = randomBytes(16).toString('base64url')
    const { length, details, replaces } = what
    await tree.beginUpload({ id, length, details, expires: this.expiry() }, replaces)
    return id
  }

  expiry(): Date {
    return new Date(this.#clock().getTime() + this.#lifetimeMilliseconds)
  }

  /**
   * Does something with an upload, alone: a request that is still at it lost its client, and is broken off.
   * @throws FileError ENOENT, for an unknown one as for somebody else's
   */
  async hold<T>(
    tree: Tree,
    id: string,
    breakOff: () => void,
    work: (upload: ResumableUpload) => Promise<T>,
  ): Promise<T> {
    await required(tree, id)
    for (let busy = this.#busy.get(id); busy !== undefined; busy = this.#busy.get(id)) {
      busy.breakOff()
      await busy.done
    }
    let release = () => {}
    const done = new Promise<void>((resolve) => {
      release = resolve
    })
    this.#busy.set(id, { done, breakOff })
    try {
      const upload = await required(tree, id)
      await upload.extend(this.expiry())
      try {
        return await work(upload)
      } finally {
        await upload.extend(this.expiry())
      }
    } finally {
      this.#busy.delete(id)
      release()
    }
  }
}

async function required(tree: Tree, id: string): Promise<ResumableUpload> {
  const upload = await tree.resumeUpload(id)
  if (upload !== undefined) return upload
  throw new FileError('ENOENT', 'there is no such upload, or it has expired: begin a new one')
}
