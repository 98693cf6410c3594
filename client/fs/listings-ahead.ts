import type { WireAttributes } from '../../server/wire.js'
import type { Cache } from '../cache.js'
import type { RemoteFiles } from '../remote-files.js'
import { Listing } from './listing.js'
import type { Nodes } from './nodes.js'

const AT_ONCE = 4
const WANTED = 256
/** Directories whose listing we remember to have been read. */
const REMEMBERED = 1000
/** Longer directories are left to whoever really reads them. */
const PAGES = 2

/**
 * Lists directories before a program that walks a tree comes to them: once it has listed a directory and one below it, all
 * those below are fetched, several at a time. Each is still asked for once.
 */
export class ListingsAhead {
  readonly #files: RemoteFiles
  readonly #cache: Cache
  readonly #nodes: Nodes
  readonly #observe: (attributes: WireAttributes) => void
  readonly #read = new Set<number>()
  readonly #wanted = new Set<number>()
  readonly #underWay = new Map<number, Promise<void>>()

  constructor(mount: {
    readonly files: RemoteFiles
    readonly cache: Cache
    readonly nodes: Nodes
    observe(attributes: WireAttributes): void
  }) {
    this.#files = mount.files
    this.#cache = mount.cache
    this.#nodes = mount.nodes
    this.#observe = mount.observe
  }

  /** Resolves once a listing that is already under way has come; what is only wanted is left to the caller. */
  async arrival(directory: number): Promise<void> {
    this.#wanted.delete(directory)
    await this.#underWay.get(directory)
  }

  /** A program has read the listing of a directory. */
  isListed(directory: number): void {
    if (this.#read.has(directory)) this.#read.delete(directory)
    this.#read.add(directory)
    const [oldest] = this.#read
    if (this.#read.size > REMEMBERED && oldest !== undefined) this.#read.delete(oldest)
    const above = this.#nodes.of(directory)?.directory
    if (above === undefined || !this.#read.has(above)) return
    for (const { ino } of this.#cache.allNames(directory) ?? []) {
      if (this.#wanted.size >= WANTED) break
      if (this.#cache.attributes(ino)?.value.type !== 'directory') continue
      if (this.#cache.allNames(ino) === undefined) this.#wanted.add(ino)
    }
    this.#fetch()
  }

  #fetch(): void {
    while (this.#underWay.size < AT_ONCE) {
      const [next] = this.#wanted
      if (next === undefined) return
      this.#wanted.delete(next)
      if (this.#underWay.has(next)) continue
      const work = this.#list(next).finally(() => {
        this.#underWay.delete(next)
        this.#fetch()
      })
      this.#underWay.set(next, work)
    }
  }

  /** Failing is no harm: whoever needs the listing asks for it and is told. */
  async #list(directory: number): Promise<void> {
    const listing = new Listing(this.#files, this.#cache, directory, { observe: this.#observe })
    try {
      for (let page = 0; page < PAGES && !listing.isComplete; page++) await listing.next()
    } catch {
      return
    }
  }
}
