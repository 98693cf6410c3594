/**
 * What came last, bounded: the newest `least` entries, and no more than twice as many. They are kept in two halves, the older of which
 * is dropped as a whole: to look for the oldest one of a Map again and again takes long.
 */
export class Memory<Key, Value extends object | string | number> {
  readonly #least: number
  #recent = new Map<Key, Value>()
  #older = new Map<Key, Value>()

  constructor(least: number) {
    this.#least = least
  }

  get(key: Key): Value | undefined {
    return this.#recent.get(key) ?? this.#older.get(key)
  }

  set(key: Key, value: Value): void {
    this.#recent.set(key, value)
    // Not both: what is learned anew of many would be kept twice.
    if (this.#older.size > 0) this.#older.delete(key)
    if (this.#recent.size <= this.#least) return
    this.#older = this.#recent
    this.#recent = new Map([[key, value]])
  }

  delete(key: Key): void {
    this.#recent.delete(key)
    this.#older.delete(key)
  }
}
