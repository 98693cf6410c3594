/** A point in the order in which this machine hears of changes. */
export type Ticket = number

/**
 * When things last changed, as far as this machine heard: of those that changed last, each by itself. They are kept in two
 * halves, the older of which is dropped as a whole: to look for the oldest one of a Map again and again takes long.
 */
export class LatestChanges<Key> {
  readonly #half: number
  #recent = new Map<Key, Ticket>()
  #older = new Map<Key, Ticket>()
  /** The newest of `#older`. */
  #between: Ticket = 0
  /** Nothing that is in neither half changed after this. */
  #floor: Ticket = 0
  #newest: Ticket = 0

  constructor(limit: number) {
    this.#half = limit / 2
  }

  add(key: Key, ticket: Ticket): void {
    this.#newest = ticket
    this.#recent.set(key, ticket)
    if (this.#recent.size < this.#half) return
    this.#floor = this.#between
    this.#between = ticket
    this.#older = this.#recent
    this.#recent = new Map()
  }

  /** Each of them may have changed. */
  addAll(ticket: Ticket): void {
    this.#newest = ticket
    this.#floor = ticket
    this.#between = ticket
    this.#recent = new Map()
    this.#older = new Map()
  }

  /** Whether anything changed after the ticket was taken. */
  isAnySince(ticket: Ticket): boolean {
    return this.#newest > ticket
  }

  /** Whether this may have changed after the ticket was taken. */
  isSince(key: Key, ticket: Ticket): boolean {
    if (!this.isAnySince(ticket)) return false
    return (this.#recent.get(key) ?? this.#older.get(key) ?? this.#floor) > ticket
  }
}
