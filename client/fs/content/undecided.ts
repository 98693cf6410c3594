import type { WireAttributeChanges } from '../../../server/wire/inodes.js'
import type { Changed } from '../../remote/remote-files.js'
import { RemoteError } from '../../remote-error.js'
import type { Batch } from './unsent.js'

/** A change that got no answer in time. The program was told so; whether the server has made it nobody knows yet. */
export interface Undecided {
  /** Its name, by which the server knows it. */
  readonly change: string
  /** What it carried, which stays on its way until it is decided: sent again, it could be appended twice. */
  batch: Batch
  /** It cuts to nothing what it does not carry. */
  isCut: boolean
  readonly attributes: WireAttributeChanges
  /** How many versions it makes. */
  readonly versions: 0 | 1
}

export type Carried = Partial<Omit<Undecided, 'change'>>

const NOTHING: Batch = { written: [], appended: [] }

/** Those of one file, oldest first. */
export class UndecidedChanges {
  readonly #changes: Undecided[] = []

  get isEmpty(): boolean {
    return this.#changes.length === 0
  }

  /** @returns false if the error says that the server has not made it */
  add(error: unknown, carried: Carried): boolean {
    const change = error instanceof RemoteError ? error.change : undefined
    if (change === undefined) return false
    const nothing = { batch: NOTHING, isCut: false, attributes: {}, versions: 1 } as const
    this.#changes.push({ ...nothing, ...carried, change })
    return true
  }

  /** Asks about the oldest. @throws RemoteError if there is no answer now, either */
  async decide(
    made: (change: string) => Promise<Changed | undefined>,
  ): Promise<{ decided: Undecided; attributes: Changed | undefined } | undefined> {
    const [oldest] = this.#changes
    if (oldest === undefined) return undefined
    const attributes = await made(oldest.change)
    const at = this.#changes.indexOf(oldest)
    if (at === -1) return undefined
    this.#changes.splice(at, 1)
    return { decided: oldest, attributes }
  }

  /** What they carried is wanted no longer; whether they were made still counts. */
  clear(drop: (batch: Batch) => void): void {
    for (const undecided of this.#changes) {
      drop(undecided.batch)
      undecided.batch = NOTHING
      undecided.isCut = false
    }
  }

  /** The file is given up. */
  forget(drop: (batch: Batch) => void): void {
    this.clear(drop)
    this.#changes.length = 0
  }
}
