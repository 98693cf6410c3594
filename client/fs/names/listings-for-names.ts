import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import { dropOldest } from '../../drop-oldest.js'
import type { RemoteFiles } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import { Listing } from './listing.js'
import type { ListingsAhead } from './listings-ahead.js'

/** Whoever looks up so many unknown names of one directory within the timeout is better served by the whole listing. */
const MISSES = 2
/** So long after such a listing, a program that comes to another directory will ask for more than one of its names, too. */
const WALK_MILLISECONDS = 1000
/** Directories longer than this are not listed for a few names. */
const LISTED = 4000
const REMEMBERED_DIRECTORIES = 1000
const LONG_MILLISECONDS = 60_000

export interface ListedMount {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly listings: Pick<ListingsAhead, 'coming' | 'isListed'>
  observe(attributes: WireAttributes): void
}

/**
 * Lists directories of which one name after another is looked up. The listing is asked for beside the second name, in a walk
 * beside the first, so that over a long way neither waits for the other; who wants the next name waits for it.
 */
export class ListingsForNames {
  readonly #mount: ListedMount
  readonly #now: () => number
  readonly #misses = new Map<number, { count: number; since: number }>()
  /** Directories too long to be listed for a few names, and when that turned out. */
  readonly #long = new Map<number, number>()
  readonly #underWay = new Map<number, Promise<boolean>>()
  #lastListed = Number.NEGATIVE_INFINITY

  constructor(mount: ListedMount, now: () => number) {
    this.#mount = mount
    this.#now = now
  }

  /** Not with a journal: what it sends while a listing comes may be missing there. */
  get #goesAhead(): boolean {
    return this.#mount.files.journals !== true
  }

  /** A name was looked up that is not known. @returns whether its directory is, or should be, listed for it */
  isOften(directory: number): boolean {
    if (this.#underWay.has(directory)) return true
    if (this.#mount.listings.coming(directory) !== undefined) return true
    const now = this.#now()
    const last = this.#misses.get(directory)
    const counts = last !== undefined && now - last.since < LONG_MILLISECONDS
    const misses = counts ? { ...last, count: last.count + 1 } : { count: 1, since: now }
    this.#misses.delete(directory)
    this.#misses.set(directory, misses)
    dropOldest(this.#misses, REMEMBERED_DIRECTORIES)
    const long = this.#long.get(directory)
    if (long !== undefined && now - long <= LONG_MILLISECONDS) return false
    const isWorthIt = misses.count >= MISSES || now - this.#lastListed < WALK_MILLISECONDS
    // Failing is no harm yet: whoever waits for it is told.
    if (isWorthIt && this.#goesAhead) this.all(directory).catch(() => {})
    return misses.count > MISSES
  }

  /** @returns whether all names are known now */
  async all(directory: number): Promise<boolean> {
    const coming = this.#mount.listings.coming(directory)
    if (coming !== undefined) {
      await coming
      return true
    }
    let listed = this.#underWay.get(directory)
    if (listed === undefined) {
      listed = this.#list(directory).finally(() => this.#underWay.delete(directory))
      this.#underWay.set(directory, listed)
    }
    return listed
  }

  async #list(directory: number): Promise<boolean> {
    const { files, cache, listings, observe } = this.#mount
    let isComplete = cache.knowsAllNames(directory)
    if (!isComplete) {
      const listing = new Listing(files, cache, directory, { observe })
      try {
        while (!listing.isComplete && listing.fetched < LISTED) await listing.next()
      } catch (error) {
        if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ESTALE')) return false
        throw error
      }
      isComplete = listing.isComplete
    }
    if (isComplete) {
      this.#lastListed = this.#now()
      // Who asks for the names of one directory after another walks the tree, too.
      if (this.#goesAhead) listings.isListed(directory)
      return true
    }
    this.#long.set(directory, this.#now())
    dropOldest(this.#long, REMEMBERED_DIRECTORIES)
    return false
  }
}
