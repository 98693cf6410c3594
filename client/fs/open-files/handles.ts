import type { Handle } from '../../fuse/filesystem.js'
import { refusal } from '../answer.js'
import type { KnownNode } from '../content/nodes.js'
import type { ReadAhead } from './read-ahead.js'

/** open(2) flags as Linux numbers them. */
export const O_ACCMODE = 0o3
export const O_RDONLY = 0
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000

export interface OpenFile {
  readonly node: KnownNode
  readonly flags: number
  readonly ahead: ReadAhead
}

/** What is open, by the number the kernel knows it by. */
export class Handles<Open> {
  readonly #open = new Map<Handle, Open>()
  #last: Handle = 0

  add(open: Open): Handle {
    this.#last += 1
    this.#open.set(this.#last, open)
    return this.#last
  }

  get(handle: Handle): Open {
    const open = this.#open.get(handle)
    if (open === undefined) throw refusal('EIO', `handle ${handle} is not open`)
    return open
  }

  remove(handle: Handle): Open {
    const open = this.get(handle)
    this.#open.delete(handle)
    return open
  }

  all(): IterableIterator<Open> {
    return this.#open.values()
  }

  /** Those of which it is so. */
  which(isSo: (open: Open) => boolean): Handle[] {
    return [...this.#open].flatMap(([handle, open]) => (isSo(open) ? [handle] : []))
  }
}
