import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import { dropOldest } from '../../drop-oldest.js'
import type { RemoteFiles } from '../../remote/remote-files.js'
import type { Nodes } from '../content/nodes.js'
import { Listing } from './listing.js'

const AT_ONCE = 4
const CONFIDENT_AT_ONCE = 8
/** Directories that are wanted, or here and not yet read. */
const WANTED = 256
/** Whoever read so many directories of one will read the others too. */
const SIBLINGS = 2
/** Listings that were here in time, after which those below them are fetched too. */
const CONFIDENT = 4
const MOST_CONFIDENT = 16
/** Directories of which we remember that their listing has been read, or is too long. */
const REMEMBERED = 1000
/** Longer directories are left to whoever really reads them. */
const PAGES = 2

/**
 * Lists directories before a program that walks a tree comes to them: once it has listed a directory and one below it, all
 * those below that one are fetched, several at a time; with a second one, all those beside it; and once that was right often,
 * those below them too. Each is still asked for once.
 */
export class ListingsAhead {
  readonly #files: RemoteFiles
  readonly #cache: Cache
  readonly #nodes: Nodes
  readonly #observe: (attributes: WireAttributes) => void
  readonly #arrived: (directory: number) => void
  /** Directories that were read, and how many of those in them. */
  readonly #read = new Map<number, number>()
  readonly #wanted = new Set<number>()
  readonly #underWay = new Map<number, Promise<void>>()
  /** Directories that turned out to be longer: asked for once more with each one beside them, they would cost more than all else. */
  readonly #long = new Set<number>()
  /** Here, and nobody has read them yet. */
  readonly #unread = new Set<number>()
  #confidence = 0

  constructor(mount: {
    readonly files: RemoteFiles
    readonly cache: Cache
    readonly nodes: Nodes
    observe(attributes: WireAttributes): void
    /** A listing is here before somebody reads it. */
    arrived(directory: number): void
  }) {
    this.#files = mount.files
    this.#cache = mount.cache
    this.#nodes = mount.nodes
    this.#observe = mount.observe
    this.#arrived = mount.arrived
  }

  /** Resolves once a listing that is already under way has come; what is only wanted is left to the caller. */
  async arrival(directory: number): Promise<void> {
    this.#wanted.delete(directory)
    await this.#underWay.get(directory)
  }

  /** A listing that is under way, or wanted and now asked for before all others. */
  coming(directory: number): Promise<void> | undefined {
    if (this.#wanted.delete(directory)) this.#start(directory)
    return this.#underWay.get(directory)
  }

  /** A program has read the listing of a directory. */
  isListed(directory: number): void {
    if (this.#unread.delete(directory)) {
      this.#confidence = Math.min(MOST_CONFIDENT, this.#confidence + 1)
    }
    const before = this.#read.get(directory) ?? 0
    this.#read.delete(directory)
    this.#read.set(directory, before)
    dropOldest(this.#read, REMEMBERED)
    const above = this.#nodes.of(directory)?.directory
    const siblings = above === undefined ? undefined : this.#read.get(above)
    if (above === undefined || siblings === undefined) return
    this.#read.set(above, siblings + 1)
    if (this.#unread.size >= WANTED) this.#wasWrong()
    this.#wantBelow(directory)
    if (siblings + 1 >= SIBLINGS) this.#wantBelow(above)
    this.#fetch()
  }

  #wantBelow(directory: number): void {
    for (const { ino } of this.#cache.allNames(directory) ?? []) {
      if (this.#wanted.size + this.#unread.size >= WANTED) break
      if (this.#cache.attributes(ino)?.value.type !== 'directory') continue
      if (this.#long.has(ino) || this.#cache.knowsAllNames(ino)) continue
      this.#wanted.add(ino)
    }
  }

  get #isConfident(): boolean {
    return this.#confidence >= CONFIDENT
  }

  #fetch(): void {
    while (this.#underWay.size < (this.#isConfident ? CONFIDENT_AT_ONCE : AT_ONCE)) {
      const [next] = this.#wanted
      if (next === undefined) return
      this.#wanted.delete(next)
      if (this.#underWay.has(next)) continue
      this.#start(next)
    }
  }

  #start(directory: number): void {
    const work = this.#list(directory).finally(() => {
      this.#underWay.delete(directory)
      this.#fetch()
    })
    this.#underWay.set(directory, work)
  }

  /** Failing is no harm: whoever needs the listing asks for it and is told. */
  async #list(directory: number): Promise<void> {
    const listing = new Listing(this.#files, this.#cache, directory, {
      observe: this.#observe,
      completed: () => this.#isHere(directory),
    })
    try {
      for (let page = 0; page < PAGES && !listing.isComplete; page++) await listing.next()
    } catch {
      return
    }
    if (listing.isComplete) return
    this.#long.add(directory)
    dropOldest(this.#long, REMEMBERED)
  }

  #isHere(directory: number): void {
    this.#unread.add(directory)
    this.#arrived(directory)
    if (this.#isConfident) this.#wantBelow(directory)
  }

  /** Nobody came for what is here. */
  #wasWrong(): void {
    this.#unread.clear()
    this.#confidence = 0
  }
}
