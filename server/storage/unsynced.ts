import { Coalesced } from './coalesced.js'

/** Things that were written to and are not yet synced; each is synced once for all who wait for it. */
export class Unsynced<K> {
  readonly #sync: (key: K) => Promise<void>
  readonly #dirty = new Set<K>()
  readonly #busy = new Map<K, Coalesced>()

  constructor(sync: (key: K) => Promise<void>) {
    this.#sync = sync
  }

  get count(): number {
    return this.#dirty.size + this.#busy.size
  }

  mark(key: K): void {
    this.#dirty.add(key)
  }

  forget(key: K): void {
    this.#dirty.delete(key)
  }

  /** Syncs one, dirty or not: an earlier run of the server may have written to it. */
  async sync(key: K): Promise<void> {
    const known = this.#busy.get(key)
    const syncing = known ?? new Coalesced(() => this.#once(key))
    if (known === undefined) this.#busy.set(key, syncing)
    try {
      await syncing.run()
    } finally {
      if (syncing.isIdle) this.#busy.delete(key)
    }
  }

  /** Syncs what is dirty now, and waits for what is being synced. */
  async syncAll(atOnce: number): Promise<void> {
    const keys = new Set([...this.#dirty, ...this.#busy.keys()]).values()
    const worker = async () => {
      for (const key of keys) await this.sync(key)
    }
    await Promise.all(Array.from({ length: atOnce }, worker))
  }

  async #once(key: K): Promise<void> {
    this.#dirty.delete(key)
    try {
      await this.#sync(key)
    } catch (error) {
      this.#dirty.add(key)
      throw error
    }
  }
}
