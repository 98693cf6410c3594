import type { Database } from '../database/database.js'
import { failure } from './failure.js'

/** Transactions on the metadata, with what is to happen only once they are committed. */
export class Transactions {
  readonly #immediate: (work: () => unknown) => unknown
  readonly #database: Database
  #afterwards: (() => void)[] = []

  readonly #committed: () => void

  /** @param committed is told of each transaction */
  constructor(database: Database, committed: () => void) {
    this.#database = database
    this.#committed = committed
    this.#immediate = database.transaction((work: () => unknown) => work()).immediate
  }

  /** All of `work`, or nothing of it. It is synchronous and short: everybody waits for it. */
  run<T>(work: () => T): T {
    let result: T
    try {
      result = this.#immediate(work) as T
    } catch (error) {
      if (!this.#database.inTransaction) this.#afterwards = []
      throw failure(error)
    }
    if (this.#database.inTransaction) return result
    const afterwards = this.#afterwards
    this.#afterwards = []
    for (const effect of afterwards) effect()
    this.#committed()
    return result
  }

  /** Within `run`: an effect for when it is committed; never happens if it is not. */
  afterwards(effect: () => void): void {
    this.#afterwards.push(effect)
  }
}
