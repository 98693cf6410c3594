import type { Database } from '../../database/database.js'
import { failure } from '../failure.js'

/** Who learns how transactions end. */
export interface Told {
  /** One, or an inner one, was undone. */
  rolledBack(): void
  /** One is over, either way. */
  ended(): void
  committed(): void
}

/** Transactions on the metadata, with what is to happen only once they are committed. */
export class Transactions {
  readonly #immediate: (work: () => unknown) => unknown
  readonly #database: Database
  #afterwards: (() => void)[] = []

  readonly #told: Told

  constructor(database: Database, told: Told) {
    this.#database = database
    this.#told = told
    this.#immediate = database.transaction((work: () => unknown) => work()).immediate
  }

  /** All of `work`, or nothing of it. It is synchronous and short: everybody waits for it. */
  run<T>(work: () => T): T {
    const before = this.#afterwards.length
    let result: T
    try {
      result = this.#immediate(work) as T
    } catch (error) {
      this.#told.rolledBack()
      this.#afterwards.length = before
      if (!this.#database.inTransaction) this.#told.ended()
      throw failure(error)
    }
    if (this.#database.inTransaction) return result
    this.#told.ended()
    const afterwards = this.#afterwards
    this.#afterwards = []
    for (const effect of afterwards) effect()
    this.#told.committed()
    return result
  }

  /** Within `run`: an effect for when it is committed; never happens if it is not. */
  afterwards(effect: () => void): void {
    this.#afterwards.push(effect)
  }
}
