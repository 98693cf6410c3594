/**
 * A Map that forgets what came first once it has `most` entries: half of them at a time, by letting go of all that came before the
 * newer half. To delete the first entry of one Map for each that comes is slow: it is found by going past all that were deleted.
 */
export class BoundedMap<Key, Value extends object | string | number> {
  readonly #half: number
  #newer = new Map<Key, Value>()
  #older = new Map<Key, Value>()

  constructor(most: number) {
    this.#half = most / 2
  }

  get(key: Key): Value | undefined {
    return this.#newer.get(key) ?? this.#older.get(key)
  }

  set(key: Key, value: Value): void {
    if (this.#newer.size >= this.#half) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(key, value)
    // Not both: what is learned anew of many would be kept twice.
    if (this.#older.size > 0) this.#older.delete(key)
  }

  delete(key: Key): void {
    this.#newer.delete(key)
    this.#older.delete(key)
  }
}
