import type { FileStatements } from '../../database/files/statements.js'
import { FileError } from '../../errors.js'
import type { Transactions } from './transactions.js'

const BLOCK = 1024

/**
 * Inode numbers and generations: each is given out once, ever, so that an ETag or a file name never means two things.
 * They are taken from the database in blocks; what a crash leaves of a block is not used again. Takes a transaction
 * of its own: call it outside of any other, whose rollback would give the same numbers out twice.
 */
export class Numbers {
  readonly #sql: FileStatements
  readonly #transactions: Transactions
  readonly #counter: 'ino' | 'generation'
  /** No number below was given out since this process began. */
  readonly start: number
  #next: number
  #end: number

  constructor(sql: FileStatements, transactions: Transactions, counter: 'ino' | 'generation') {
    this.#sql = sql
    this.#transactions = transactions
    this.#counter = counter
    this.#next = this.take(BLOCK)
    this.#end = this.#next + BLOCK
    this.start = this.#next
  }

  next(): number {
    if (this.#next === this.#end) {
      this.#next = this.take(BLOCK)
      this.#end = this.#next + BLOCK
    }
    return this.#next++
  }

  /** The first of so many consecutive numbers. */
  take(count: number): number {
    const row = this.#transactions.run(() => this.#sql.advance.get(count, this.#counter))
    if (row === undefined) throw new FileError('EIO', 'the database has lost its counters')
    return row.value - count
  }
}
