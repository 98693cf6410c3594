import type { Cache } from '../cache.js'
import type { RemoteContent, RemoteFiles } from '../remote-files.js'
import type { Budget } from './budget.js'
import type { Nodes } from './nodes.js'

/** Files up to this are fetched whole before somebody asks. */
const SMALL_BYTES = 64 << 10
/** Fetches under way; more would keep what programs wait for waiting. */
const AT_ONCE = 6
/** Files that may be ready and unread. */
const READY = 256
/** How many files of a directory are fetched ahead of its reader. */
const FIRST_WINDOW = 4
const LAST_WINDOW = 64
const WALKS = 64
/** Hits that make us fetch from the first file of a directory on. */
const CONFIDENT = 4
const MOST_CONFIDENT = 16

interface Ready {
  readonly bytes: number
  readonly content: Promise<RemoteContent | undefined>
}

/** Somebody who reads the files of one directory. */
interface Walk {
  readonly order: readonly number[]
  readonly positions: ReadonlyMap<number, number>
  reads: number
  window: number
}

/**
 * Fetches small files before they are asked for when a program reads one file of a directory after another (grep -r, a
 * compiler, a copy), many at a time over open batches. It starts with the second file, and once it was right often with the first.
 */
export class SmallFiles {
  readonly #files: RemoteFiles
  readonly #cache: Cache
  readonly #nodes: Nodes
  readonly #budget: Budget
  readonly #ready = new Map<number, Ready>()
  readonly #walks = new Map<number, Walk>()
  /** Wanted next, with their sizes. */
  readonly #queue = new Map<number, number>()
  #underWay = 0
  #confidence = 0

  constructor(mount: {
    readonly files: RemoteFiles
    readonly cache: Cache
    readonly nodes: Nodes
    readonly budget: Budget
  }) {
    this.#files = mount.files
    this.#cache = mount.cache
    this.#nodes = mount.nodes
    this.#budget = mount.budget
  }

  /** Bytes of a file that was fetched ahead and is still what the server has. */
  async take(ino: number, offset: number, length: number): Promise<Buffer | undefined> {
    const ready = this.#ready.get(ino)
    if (ready === undefined) return undefined
    const content = await ready.content
    const now = this.#cache.attributes(ino)?.value
    if (content === undefined || now?.version !== content.attributes.version) {
      this.#drop(ino)
      return undefined
    }
    if (offset + length >= content.data.length) this.#drop(ino)
    this.#confidence = Math.min(MOST_CONFIDENT, this.#confidence + 1)
    return content.data.subarray(offset, offset + length)
  }

  /** A program begins to read a file that it found in a directory. */
  isRead(ino: number, directory: number): void {
    const walk = this.#walk(directory)
    const position = walk?.positions.get(ino)
    if (walk === undefined || position === undefined) return
    walk.reads += 1
    const isConfident = this.#confidence >= CONFIDENT
    if (walk.reads < 2 && !isConfident) return
    walk.window = Math.min(LAST_WINDOW, isConfident ? LAST_WINDOW / 2 : walk.window * 2)
    for (const next of walk.order.slice(position + 1, position + 1 + walk.window)) this.#want(next)
    this.#fetch()
  }

  /** A directory was listed: whoever read the files of others before will read its files too. */
  isListed(directory: number): void {
    if (this.#confidence < CONFIDENT) return
    const walk = this.#walk(directory)
    for (const ino of walk?.order.slice(0, LAST_WINDOW / 2) ?? []) this.#want(ino)
    this.#fetch()
  }

  #walk(directory: number): Walk | undefined {
    const known = this.#walks.get(directory)
    if (known !== undefined) return known
    const names = this.#cache.allNames(directory)
    if (names === undefined) return undefined
    const order = names.map(({ ino }) => ino)
    const positions = new Map(order.map((ino, index) => [ino, index] as const))
    const walk: Walk = { order, positions, reads: 0, window: FIRST_WINDOW / 2 }
    this.#walks.set(directory, walk)
    const [oldest] = this.#walks.keys()
    if (this.#walks.size > WALKS && oldest !== undefined) this.#walks.delete(oldest)
    return walk
  }

  /** Worth fetching: small, not empty, and neither here nor in the kernel's pages. */
  #want(ino: number): void {
    if (this.#ready.has(ino) || this.#queue.has(ino)) return
    const attributes = this.#cache.attributes(ino)?.value
    if (attributes?.type !== 'file') return
    const { size } = attributes
    if (size === 0 || size > SMALL_BYTES || this.#nodes.of(ino)?.pages !== undefined) return
    this.#queue.set(ino, size)
  }

  #fetch(): void {
    while (this.#underWay < AT_ONCE) {
      const [next] = this.#queue
      if (next === undefined) return
      const [ino, size] = next
      this.#queue.delete(ino)
      this.#makeRoom()
      if (!this.#budget.tryTake(size)) {
        this.#queue.clear()
        return
      }
      this.#underWay += 1
      const content = this.#files.read(ino, 0, size).catch(() => undefined)
      this.#ready.set(ino, { bytes: size, content })
      void content.finally(() => {
        this.#underWay -= 1
        this.#fetch()
      })
    }
  }

  /** What was fetched for nothing goes, and with it some of the confidence. */
  #makeRoom(): void {
    const [oldest] = this.#ready.keys()
    if (this.#ready.size < READY || oldest === undefined) return
    this.#drop(oldest)
    this.#confidence = Math.max(0, this.#confidence - 1)
  }

  #drop(ino: number): void {
    const ready = this.#ready.get(ino)
    if (ready === undefined) return
    this.#ready.delete(ino)
    this.#budget.give(ready.bytes)
  }
}
