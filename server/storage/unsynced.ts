import { Coalesced } from './coalesced.js'

/** Things that were written to and are not yet synced; each is synced once for all who wait for it. */
export class Unsynced<K> {
  readonly #sync: (key: K) => Promise<void>
  /** With the bytes written since the last sync began. */
  readonly #dirty = new Map<K, number>()
  readonly #busy = new Map<K, Coalesced>()
  /** A sync that nobody asked for: one at a time, as others need the threads. */
  #ahead: Promise<void> | undefined
  /** Why such ones failed: the kernel tells only once that bytes are lost. */
  readonly #untold = new Map<K, unknown>()

  constructor(sync: (key: K) => Promise<void>) {
    this.#sync = sync
  }

  get count(): number {
    return this.#dirty.size + this.#busy.size + this.#untold.size
  }

  mark(key: K, bytes = 0): void {
    this.#dirty.set(key, this.bytes(key) + bytes)
  }

  /** So many were written to it since its last sync began. */
  bytes(key: K): number {
    return this.#dirty.get(key) ?? 0
  }

  forget(key: K): void {
    this.#dirty.delete(key)
    this.#untold.delete(key)
  }

  /** Begins to sync one that nobody has asked for yet; if that fails, whoever asks next is told. */
  begin(key: K): void {
    this.#ahead ??= this.sync(key)
      .catch((error: unknown) => {
        this.#untold.set(key, error)
      })
      .finally(() => {
        this.#ahead = undefined
      })
  }

  /** Resolves once nothing is being synced that nobody asked for. */
  async settled(): Promise<void> {
    await this.#ahead
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
    if (!this.#untold.has(key)) return
    const why = this.#untold.get(key)
    this.#untold.delete(key)
    throw why
  }

  /** Syncs what is dirty now, and waits for what is being synced. */
  async syncAll(atOnce: number): Promise<void> {
    const all = [this.#dirty, this.#busy, this.#untold].flatMap((some) => [...some.keys()])
    const keys = new Set(all).values()
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
      this.mark(key)
      throw error
    }
  }
}
