import type { Database } from './database.js'
import { epochsOf, type Watched } from './epochs.js'

/** A longer key was made up by somebody; it is not kept. */
const KEY_MAX = 256

/** What was read, for as long as it is so. Not for use within a transaction, which may yet be undone. */
export class Remembered<V> {
  readonly #epoch: () => number
  readonly #most: number
  readonly #values = new Map<string, V>()
  #of = -1

  constructor(database: Database, watched: Watched, most: number) {
    const epochs = epochsOf(database)
    this.#epoch = () => epochs.now(watched)
    this.#most = most
  }

  get(key: string, read: (key: string) => V): V {
    const epoch = this.#epoch()
    if (epoch !== this.#of) {
      this.#values.clear()
      this.#of = epoch
    }
    const known = this.#values.get(key)
    if (known !== undefined || this.#values.has(key)) return known as V
    const value = read(key)
    if (this.#values.size >= this.#most) this.#values.clear()
    if (key.length <= KEY_MAX) this.#values.set(key, value)
    return value
  }
}
