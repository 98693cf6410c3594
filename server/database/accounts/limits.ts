import type { ClientRateLimitInfo, Options, Store } from 'express-rate-limit'
import type { Database } from '../database.js'
import { WriteBehind } from '../write-behind.js'

/** Memory is bounded: beyond this many keys the oldest is written down and let go. */
export const KEYS_IN_MEMORY = 50_000
const WRITE_AFTER_MS = 200

interface Counter {
  hits: number
  resetsAt: number
  changed: boolean
}

/**
 * Counters of express-rate-limit that survive a restart. They are counted in memory and written down a moment later
 * together, so that a request which succeeds (counted up, then down again) costs no transaction at all.
 */
export class LimitStore implements Store {
  readonly localKeys = false
  readonly prefix: string
  readonly #counters = new Map<string, Counter>()
  readonly #clock: () => Date
  readonly #read
  readonly #write
  readonly #remove
  readonly #behind: WriteBehind
  #windowMs = 60_000
  #closed = false

  /** @param failed told once when they cannot be written down, and again only when that has worked meanwhile */
  constructor(
    database: Database,
    prefix: string,
    clock: () => Date,
    failed: (cause: unknown) => void,
  ) {
    this.prefix = `${prefix}:`
    this.#clock = clock
    this.#read = database.prepare<[string], { hits: number; resets_at: number }>(
      'SELECT hits, resets_at FROM limits WHERE key = ?',
    )
    this.#write = database.prepare(
      `INSERT INTO limits VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET hits = excluded.hits, resets_at = excluded.resets_at`,
    )
    this.#remove = database.prepare('DELETE FROM limits WHERE key = ?')
    const writeAll = database.transaction((entries: [string, Counter][]) => {
      for (const [key, counter] of entries) this.#persist(key, counter)
    })
    this.#behind = new WriteBehind(() => {
      const changed = [...this.#counters].filter(([, counter]) => counter.changed)
      writeAll(changed)
      for (const [key, counter] of changed) {
        counter.changed = false
        if (counter.hits === 0) this.#counters.delete(key)
      }
    }, failed)
  }

  init({ windowMs }: Pick<Options, 'windowMs'>): void {
    this.#windowMs = windowMs
  }

  get(key: string): ClientRateLimitInfo | undefined {
    const counter = this.#live(key)
    return counter === undefined ? undefined : info(counter)
  }

  /** @throws when the disk is full, and as many keys as are kept in memory count already */
  increment(key: string): ClientRateLimitInfo {
    const counter = this.#live(key) ?? this.#begin(key)
    counter.hits++
    this.#changed(counter)
    return info(counter)
  }

  /** What was counted a moment ago. If it had to be let go since, it stays counted. */
  decrement(key: string): void {
    const counter = this.#counters.get(key)
    if (counter === undefined || counter.hits === 0) return
    counter.hits--
    this.#changed(counter)
  }

  resetKey(key: string): void {
    this.#counters.delete(key)
    this.#remove.run(this.prefix + key)
  }

  /** Writes down what has changed, and nothing any more afterwards. */
  shutdown(): void {
    this.#closed = true
    this.flush()
  }

  /** Writes down what has changed. */
  flush(): void {
    this.#behind.now()
  }

  #live(key: string): Counter | undefined {
    const now = this.#clock().getTime()
    let counter = this.#counters.get(key)
    if (counter === undefined) {
      const row = this.#read.get(this.prefix + key)
      if (row === undefined) return undefined
      counter = { hits: row.hits, resetsAt: row.resets_at, changed: false }
      this.#keep(key, counter)
    }
    if (counter.resetsAt > now) return counter
    this.#counters.delete(key) // what is written of it is swept
    return undefined
  }

  #begin(key: string): Counter {
    const counter = { hits: 0, resetsAt: this.#clock().getTime() + this.#windowMs, changed: false }
    this.#keep(key, counter)
    return counter
  }

  #keep(key: string, counter: Counter): void {
    if (this.#counters.size >= KEYS_IN_MEMORY) this.#letGo()
    this.#counters.set(key, counter)
  }

  /** Of the oldest, or where it cannot be written down of all that say nothing. @throws where all say something */
  #letGo(): void {
    const [oldest] = this.#counters
    if (oldest === undefined) return
    try {
      if (oldest[1].changed) this.#persist(...oldest)
      this.#counters.delete(oldest[0])
    } catch (cause) {
      const now = this.#clock().getTime()
      for (const [key, { hits, resetsAt, changed }] of this.#counters) {
        if (hits === 0 || resetsAt <= now || !changed) this.#counters.delete(key)
      }
      if (this.#counters.size >= KEYS_IN_MEMORY) throw cause
    }
  }

  #changed(counter: Counter): void {
    counter.changed = true
    if (!this.#closed) this.#behind.in(WRITE_AFTER_MS)
  }

  #persist(key: string, counter: Counter): void {
    if (counter.hits === 0) this.#remove.run(this.prefix + key)
    else this.#write.run(this.prefix + key, counter.hits, counter.resetsAt)
  }
}

/** Removes at most `limit` counters whose window is over; how many it removed. */
export function sweepLimits(database: Database, now: number, limit: number): number {
  return database
    .prepare(
      'DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE resets_at <= ? LIMIT ?)',
    )
    .run(now, limit).changes
}

function info(counter: Counter): ClientRateLimitInfo {
  return { totalHits: counter.hits, resetTime: new Date(counter.resetsAt) }
}
