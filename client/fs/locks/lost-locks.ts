import type { Handle } from '../../fuse/filesystem.js'
import { refusal } from '../answer.js'

/** Open files whose locks went to another machine: nothing is read or written through them any more. */
export class LostLocks {
  readonly #inodes = new Map<Handle, number>()

  add(handles: readonly Handle[], ino: number): void {
    for (const handle of handles) this.#inodes.set(handle, ino)
  }

  closed(handle: Handle): void {
    this.#inodes.delete(handle)
  }

  has(handle: Handle): boolean {
    return this.#inodes.has(handle)
  }

  /** Whether a file is still open that has lost its locks. */
  areOf(ino: number): boolean {
    if (this.#inodes.size === 0) return false
    return [...this.#inodes.values()].includes(ino)
  }

  /** @throws RemoteError EIO for an open file that has lost its locks */
  refuse(handle: Handle): void {
    if (this.#inodes.size === 0 || !this.#inodes.has(handle)) return
    throw refusal('EIO', 'the locks on this file were lost; close it and open it again')
  }
}
