import type { WireAttributes, WireEntry } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import type { Ticket } from '../../cache/latest-changes.js'
import type { RemoteFiles } from '../../remote/remote-files.js'

export interface Listed {
  readonly name: string
  readonly ino: number
  /** Absent when only the name is known (any more). */
  readonly attributes: WireAttributes | undefined
}

export interface ListingHooks {
  /** Each entry as it comes. */
  observe(attributes: WireAttributes): void
  /** All entries are here; not told when they were known from the start. */
  completed?(): void
}

/** As many as the cache knows. Of a longer directory it will not know all names anyway, and nobody reads on from far back. */
const MOST_KEPT = 200_000

/**
 * A directory as it was when somebody began to read it, fetched page by page as far as they read; each page feeds the cache. However
 * long it is, no more of it is kept than is needed: a server may have no end of entries.
 */
export class Listing {
  readonly #files: RemoteFiles
  readonly #cache: Cache
  readonly #directory: number
  readonly #hooks: ListingHooks
  readonly #ticket: Ticket
  /** All names, if they were known from the start: what else is known of them is looked up where they are read. */
  readonly #known: readonly { name: string; ino: number }[] | undefined
  #entries: Listed[] = []
  /** How many came before those. */
  #dropped = 0
  #pages: AsyncIterator<readonly WireEntry[]> | undefined
  #isComplete = false
  #turn: Promise<void> = Promise.resolve()

  constructor(files: RemoteFiles, cache: Cache, directory: number, hooks: ListingHooks) {
    this.#files = files
    this.#cache = cache
    this.#directory = directory
    this.#hooks = hooks
    this.#ticket = cache.ticket()
    this.#known = cache.allNames(directory)
    this.#isComplete = this.#known !== undefined
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  /** How many entries have come. */
  get fetched(): number {
    return this.#dropped + this.#entries.length
  }

  /** Up to `count` entries from an index on; none at the end. */
  async from(index: number, count: number): Promise<readonly Listed[]> {
    if (this.#known !== undefined) {
      return this.#known.slice(index, index + count).map(({ name, ino }) => {
        return { name, ino, attributes: this.#cache.attributes(ino)?.value }
      })
    }
    // Far back: from the beginning again.
    if (index < this.#dropped) await this.#inTurn(() => this.#restart())
    while (!this.#isComplete && this.fetched <= index) await this.next()
    // One page ahead; for most directories that is only to learn that there is no more.
    if (this.fetched < index + 2 * count) this.next().catch(() => {})
    const at = index - this.#dropped
    return this.#entries.slice(at, at + count)
  }

  /** Fetches one more page; concurrent readers of one directory wait for each other. */
  next(): Promise<void> {
    const seen = this.fetched
    return this.#inTurn(async () => {
      if (this.fetched === seen && !this.#isComplete) await this.#fetch()
    })
  }

  #inTurn(work: () => void | Promise<void>): Promise<void> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  #restart(): void {
    this.#pages = undefined
    this.#entries = []
    this.#dropped = 0
    this.#isComplete = false
  }

  async #fetch(): Promise<void> {
    const cache = this.#cache
    const ticket = cache.ticket()
    this.#pages ??= this.#files.list(this.#directory)[Symbol.asyncIterator]()
    let page: IteratorResult<readonly WireEntry[]>
    try {
      page = await this.#pages.next()
    } catch (error) {
      this.#restart()
      throw error
    }
    if (page.done === true) {
      this.#isComplete = true
      if (this.#dropped === 0) cache.learnComplete(this.#directory, this.#entries, this.#ticket)
      this.#hooks.completed?.()
      return
    }
    // Before it grows: what the reader waits for is in the page.
    if (this.#entries.length >= MOST_KEPT) this.#dropHalf()
    for (const entry of page.value) {
      this.#hooks.observe(entry)
      const { name, ino } = entry
      cache.learn(entry, ticket)
      cache.learnName(this.#directory, name, ino, ticket)
      this.#entries.push({ name, ino, attributes: entry })
    }
  }

  #dropHalf(): void {
    const half = this.#entries.length >> 1
    this.#entries = this.#entries.slice(half)
    this.#dropped += half
  }
}
