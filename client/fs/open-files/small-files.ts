import type { Cache } from '../../cache/cache.js'
import { dropOldest } from '../../drop-oldest.js'
import type { RemoteContent, RemoteFiles } from '../../remote/remote-files.js'
import type { Nodes } from '../content/nodes.js'
import type { AheadMemory, Holder } from './ahead-memory.js'

/** Files up to this are fetched whole before somebody asks. */
const SMALL_BYTES = 64 << 10
/** One request brings up to so much. */
const TOGETHER = 64
const TOGETHER_BYTES = 256 << 10
/** Requests under way; more would keep what programs wait for waiting. */
const AT_ONCE = 3
/** So many are worth a request while nobody waits for one of them. */
const WORTH_ASKING = 32
/** Files that may be ready and unread. */
const READY = 1024
/** Of what is only read ahead so many at most; more are fetched once there are only a few left. */
const MOST_AHEAD = READY / 2
const FEW_AHEAD = READY / 4
/** How many files of a directory are fetched ahead of its reader. */
const FIRST_WINDOW = 8
const LAST_WINDOW = 256
const WALKS = 256
/** Hits that make us fetch from the first file of a directory on; fewer are enough if the directory is listed, too. */
const CONFIDENT = 4
const CONFIDENT_OF_LISTED = 2
const MOST_CONFIDENT = 16

/** What is read for a program need not be fetched where the kernel has the pages; what is to be copied need, for we cannot see those. */
export type Use = 'for a program' | 'to be copied'

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
export class SmallFiles implements Holder {
  readonly #files: RemoteFiles
  readonly #cache: Cache
  readonly #nodes: Nodes
  readonly #memory: AheadMemory
  readonly #ready = new Map<number, Ready>()
  readonly #walks = new Map<number, Walk>()
  /** Directories that are listed, and nobody has read them yet. */
  readonly #ahead = new Set<number>()
  /** Wanted next, with their sizes. */
  readonly #queue = new Map<number, number>()
  #underWay = 0
  #confidence = 0

  constructor(mount: {
    readonly files: RemoteFiles
    readonly cache: Cache
    readonly nodes: Nodes
    readonly memory: AheadMemory
  }) {
    this.#files = mount.files
    this.#cache = mount.cache
    this.#nodes = mount.nodes
    this.#memory = mount.memory
  }

  /** Bytes of a file that was fetched ahead and is still what the server has. */
  async take(ino: number, offset: number, length: number): Promise<Buffer | undefined> {
    // Somebody waits for it: at once, and others with it.
    if (this.#queue.has(ino)) this.#request(this.#next(ino))
    const ready = this.#ready.get(ino)
    if (ready === undefined) return undefined
    const content = await ready.content
    const now = this.#cache.attributes(ino)?.value
    if (content === undefined || now?.version !== content.attributes.version) {
      this.#drop(ino)
      return undefined
    }
    this.#memory.isUsed(this)
    if (offset + length >= content.data.length) this.#drop(ino)
    this.#confidence = Math.min(MOST_CONFIDENT, this.#confidence + 1)
    this.#goOn()
    return content.data.subarray(offset, offset + length)
  }

  get isBusy(): boolean {
    return this.#underWay > 0
  }

  /** What is ready was fetched for nothing. */
  drop(): void {
    for (const ino of [...this.#ready.keys()]) this.#drop(ino)
    this.#confidence = 0
  }

  /** A program begins to read a file that it found in a directory. */
  isRead(ino: number, directory: number, use: Use): void {
    const walk = this.#walk(directory)
    const position = walk?.positions.get(ino)
    if (walk === undefined || position === undefined) return
    walk.reads += 1
    const isConfident = this.#confidence >= CONFIDENT
    if (walk.reads < 2 && !isConfident) return
    walk.window = Math.min(LAST_WINDOW, isConfident ? LAST_WINDOW / 2 : walk.window * 4)
    // Not everybody reads in the order of the listing: after the last come the first.
    const { order, window } = walk
    const after = order.slice(position + 1, position + 1 + window)
    const first = order.slice(0, Math.min(position, window - after.length))
    for (const next of [...after, ...first]) this.#want(next, use)
    this.#fetch(Math.min(window, WORTH_ASKING))
  }

  /** A directory was listed: whoever read the files of others before will read its files too. */
  isListed(directory: number): void {
    this.#ahead.delete(directory)
    if (this.#confidence < CONFIDENT_OF_LISTED) return
    this.#wantIn(directory)
    if (this.#ready.size <= FEW_AHEAD) this.#fill()
    this.#fetch(this.#underWay === 0 ? 1 : WORTH_ASKING)
  }

  /** The same, but its reader may yet be far: its files go with those of others. */
  isListedAhead(directory: number): void {
    this.#ahead.add(directory)
    dropOldest(this.#ahead, WALKS)
    this.#fill()
    this.#fetch(WORTH_ASKING)
  }

  /** What is ready gets used up. */
  #goOn(): void {
    if (this.#ahead.size === 0 || this.#underWay > 0 || this.#ready.size > FEW_AHEAD) return
    this.#fill()
    this.#fetch(WORTH_ASKING)
  }

  /** As long as a request has room; but what is ready must not go for what is needed later. */
  #fill(): void {
    if (this.#confidence < CONFIDENT_OF_LISTED) return
    for (const directory of this.#ahead) {
      const { size } = this.#queue
      if (size >= TOGETHER || size + this.#ready.size > MOST_AHEAD) return
      this.#ahead.delete(directory)
      this.#wantIn(directory)
    }
  }

  #wantIn(directory: number): void {
    const walk = this.#walk(directory)
    for (const ino of walk?.order.slice(0, LAST_WINDOW / 2) ?? []) {
      this.#want(ino, 'for a program')
    }
  }

  #walk(directory: number): Walk | undefined {
    const known = this.#walks.get(directory)
    if (known !== undefined) return known
    const names = this.#cache.allNames(directory)
    if (names === undefined) return undefined
    const order = names.map(({ ino }) => ino)
    const positions = new Map(order.map((ino, index) => [ino, index] as const))
    const walk: Walk = { order, positions, reads: 0, window: FIRST_WINDOW / 4 }
    this.#walks.set(directory, walk)
    dropOldest(this.#walks, WALKS)
    return walk
  }

  /** Worth fetching: small, not empty, and not here. */
  #want(ino: number, use: Use): void {
    if (this.#ready.has(ino) || this.#queue.has(ino) || this.#queue.size >= READY) return
    const attributes = this.#cache.attributes(ino)?.value
    if (attributes?.type !== 'file') return
    const { size } = attributes
    if (size === 0 || size > SMALL_BYTES) return
    if (use === 'for a program' && this.#nodes.of(ino)?.pages !== undefined) return
    this.#queue.set(ino, size)
  }

  /** What comes while a request is under way goes with the next one; whoever needs one of them sooner asks for it (`take`). */
  #fetch(least: number): void {
    while (this.#queue.size >= least && this.#underWay < AT_ONCE) {
      const batch = this.#next()
      if (batch.length === 0) return
      this.#request(batch)
    }
  }

  #request(batch: readonly [ino: number, bytes: number][]): void {
    if (batch.length === 0) return
    this.#underWay += 1
    const contents = this.#read(batch.map(([ino]) => ino))
    for (const [index, [ino, bytes]] of batch.entries()) {
      const content = contents.then((all) => {
        const one = all[index]
        // A view would keep all that came with it, for as long as this one is not read.
        return one?.data.length === bytes ? { ...one, data: Buffer.from(one.data) } : undefined
      })
      this.#ready.set(ino, { bytes, content })
    }
    void contents.finally(() => {
      this.#underWay -= 1
      this.#fill()
      this.#fetch(WORTH_ASKING)
    })
  }

  /** What goes into one request, with its memory taken; nothing where there is no memory left. */
  #next(first?: number): [ino: number, bytes: number][] {
    const batch: [number, number][] = []
    let room = TOGETHER_BYTES
    const size = first === undefined ? undefined : this.#queue.get(first)
    const ahead: [number, number][] =
      first === undefined || size === undefined ? [] : [[first, size]]
    for (const [ino, size] of [...ahead, ...this.#queue]) {
      if (!this.#queue.has(ino)) continue
      if (batch.length === TOGETHER || size > room) break
      this.#makeRoom()
      if (!this.#memory.tryTake(this, size)) {
        this.#queue.clear()
        break
      }
      this.#queue.delete(ino)
      room -= size
      batch.push([ino, size])
    }
    return batch
  }

  /** Failing is no harm: whoever needs a file asks for it and is told. */
  async #read(inos: readonly number[]): Promise<readonly (RemoteContent | undefined)[]> {
    try {
      const { readAll } = this.#files
      if (readAll !== undefined && inos.length > 1) return await readAll(inos, TOGETHER_BYTES)
      return await Promise.all(
        inos.map((ino) => this.#files.read(ino, 0, SMALL_BYTES).catch(() => undefined)),
      )
    } catch {
      return []
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
    this.#memory.give(this, ready.bytes)
  }
}
