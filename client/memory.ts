import { dropOldest } from './drop-oldest.js'

/** What the last answers said, bounded: the oldest entry goes first. Only used to tell what a lost answer had said. */
export class Memory<Key, Value> {
  readonly #entries = new Map<Key, Value>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    dropOldest(this.#entries, this.#capacity)
  }

  delete(key: Key): void {
    this.#entries.delete(key)
  }
}
