import type { LockRange } from '../../../server/wire/locks.js'
import type { RemoteLocks } from '../../remote/remote-files.js'

/** Beyond these the lease that is not renewed does it. */
const MOST_OWED = 1_000

interface Unlock {
  readonly ino: number
  readonly range: LockRange
}

/** Unlocks the server has not heard of. They are told in order, and before the next lock of their inode: later they would end that. */
export class OwedUnlocks {
  readonly #remote: Pick<RemoteLocks, 'unlock'>
  #owed: Unlock[] = []
  #turn: Promise<void> = Promise.resolve()

  constructor(remote: Pick<RemoteLocks, 'unlock'>) {
    this.#remote = remote
  }

  get isEmpty(): boolean {
    return this.#owed.length === 0
  }

  owe(unlock: Unlock): void {
    if (this.#owed.length < MOST_OWED) this.#owed.push(unlock)
  }

  /** All, or those of one inode. @throws RemoteError; what the server did not hear of stays owed */
  tell(ino?: number): Promise<void> {
    const told = this.#turn.then(() => this.#tell(ino))
    this.#turn = told.catch(() => {})
    return told
  }

  async #tell(ino: number | undefined): Promise<void> {
    const due = this.#owed.filter((one) => ino === undefined || one.ino === ino)
    for (const unlock of due) {
      await this.#remote.unlock(unlock.ino, unlock.range)
      this.#owed = this.#owed.filter((one) => one !== unlock)
    }
  }
}
