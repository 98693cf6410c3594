import { Coalesced } from './coalesced.js'

interface Loss {
  readonly why: unknown
}

/** Things that were written to and are not yet synced; each is synced once for all who wait for it. */
export class Unsynced<K> {
  readonly #sync: (key: K) => Promise<void>
  /** With the bytes written since the last sync began. */
  readonly #dirty = new Map<K, number>()
  readonly #busy = new Map<K, Coalesced>()
  /** Syncs that nobody asked for: one lot at a time, as others need the threads. */
  #ahead: Promise<void> | undefined
  #isStopped = false
  /** Why such ones failed, as long as nobody knows: the kernel tells only once that bytes are lost. */
  readonly #untold = new Map<K, Loss>()
  /** The same once somebody was told who had asked about everything. Whoever asks about this one is told all the same. */
  readonly #toldToAll = new Map<K, Loss>()

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
    this.#forgetLoss(key)
  }

  /** Begins to sync one that nobody has asked for yet; if that fails, whoever asks next is told. */
  begin(key: K): void {
    this.#begin([key], 1)
  }

  /** The same for all that is dirty now. */
  beginAll(atOnce: number): void {
    this.#begin(this.#dirty.keys(), atOnce)
  }

  /** Begins nothing any more that nobody asks for. Resolves once none of that is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#ahead
  }

  /** Whether there is a loss that whoever asks next is told of. */
  isLossUntold(key: K, asked: 'one' | 'all'): boolean {
    return this.#untold.has(key) || (asked === 'one' && this.#toldToAll.has(key))
  }

  /** Syncs one, dirty or not: an earlier run of the server may have written to it. */
  async sync(key: K): Promise<void> {
    const known = this.#lossOf(key)
    await this.#synced(key)
    const loss = known ?? this.#lossOf(key)
    if (loss === undefined) return
    // once all have seen it who waited for the same sync
    queueMicrotask(() => this.#forgetLoss(key))
    throw loss.why
  }

  /** Syncs what is dirty now, and waits for what is being synced. */
  async syncAll(atOnce: number): Promise<void> {
    const all = [this.#dirty, this.#busy, this.#untold].flatMap((some) => [...some.keys()])
    await inParallel(new Set(all), atOnce, async (key) => {
      await this.#synced(key)
      const loss = this.#untold.get(key)
      if (loss === undefined) return
      this.#untold.delete(key)
      this.#toldToAll.set(key, loss)
      throw loss.why
    })
  }

  #begin(keys: Iterable<K>, atOnce: number): void {
    this.#ahead ??= inParallel(new Set(keys), atOnce, async (key) => {
      if (this.#isStopped) return
      try {
        await this.#synced(key)
      } catch (why) {
        this.#untold.set(key, { why })
      }
    }).finally(() => {
      this.#ahead = undefined
    })
  }

  #lossOf(key: K): Loss | undefined {
    return this.#untold.get(key) ?? this.#toldToAll.get(key)
  }

  #forgetLoss(key: K): void {
    this.#untold.delete(key)
    this.#toldToAll.delete(key)
  }

  async #synced(key: K): Promise<void> {
    const known = this.#busy.get(key)
    const syncing = known ?? new Coalesced(() => this.#once(key))
    if (known === undefined) this.#busy.set(key, syncing)
    try {
      await syncing.run()
    } finally {
      if (syncing.isIdle) this.#busy.delete(key)
    }
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

async function inParallel<K>(
  keys: ReadonlySet<K>,
  atOnce: number,
  work: (key: K) => Promise<void>,
): Promise<void> {
  const left = keys.values()
  const worker = async () => {
    for (const key of left) await work(key)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
