import type {
  FuseDirectoryEntry,
  FuseDirectoryEntryPlus,
  FuseOpen,
  Node,
} from '../../fuse/filesystem.js'
import type { Soon } from '../../fuse/soon.js'
import { orStale } from '../answer.js'
import { TYPE_BITS } from '../attributes.js'
import type { KnownNode } from '../content/nodes.js'
import type { MountState } from '../mount-state.js'
import { type Listed, Listing } from '../names/listing.js'
import { Handles } from '../open-files/handles.js'

/** Of an entry in a listing without its name (struct fuse_dirent, struct fuse_entry_out). */
const DIRENT_BYTES = 24
const ENTRY_BYTES = 128
/** "." and ".." come before the entries of the server. */
const DOTS = 2

interface OpenDirectory {
  readonly directory: number
  readonly node: KnownNode
  /** Begun with the first entry that is read. */
  listing: Listing | undefined
}

/** Open directories, read as one listing each; from its beginning again, they are listed anew (rewinddir(3)). */
export class Directories {
  readonly #state: MountState
  readonly #handles = new Handles<OpenDirectory>()

  constructor(state: MountState) {
    this.#state = state
  }

  open(directory: number): FuseOpen {
    const node = this.#state.nodes.known(directory)
    node.opens += 1
    const handle = this.#handles.add({ directory, node, listing: undefined })
    // What others change in it is taken back from the kernel, as long as somebody tells us.
    return { handle, keepCache: this.#state.cache.isVouched, directIo: false }
  }

  close(handle: number): Soon<void> {
    const { node } = this.#handles.remove(handle)
    node.opens -= 1
    if (node.opens > 0) return
    this.#state.nodes.drop(node)
    if (node.isOrphan) return this.#state.orphans.release(node)
  }

  async entries(
    node: Node,
    handle: number,
    offset: number,
    size: number,
  ): Promise<FuseDirectoryEntry[]> {
    const listed = await this.#listed(handle, offset, size, DIRENT_BYTES)
    const first = Math.max(offset, DOTS) + 1
    const entries = listed.map((entry, index) => this.#dirent(entry, first + index))
    return [...dots(node, offset), ...entries]
  }

  async entriesPlus(
    node: Node,
    handle: number,
    offset: number,
    size: number,
  ): Promise<FuseDirectoryEntryPlus[]> {
    const { cache, view } = this.#state
    const { directory } = this.#handles.get(handle)
    const listed = await this.#listed(handle, offset, size, DIRENT_BYTES + ENTRY_BYTES)
    const first = Math.max(offset, DOTS) + 1
    const rest = listed.map((entry, index) => {
      const name = cache.name(directory, entry.name)
      const fresh = cache.attributes(entry.ino)
      const isCurrent = name?.value === entry.ino && fresh !== undefined
      return {
        ...this.#dirent(entry, first + index),
        entry: isCurrent
          ? view.entry(directory, fresh.value, name.milliseconds, fresh.milliseconds)
          : view.absent(directory, 0),
      }
    })
    return [
      ...dots(node, offset).map((dot) => ({ ...dot, entry: view.absent(directory, 0) })),
      ...rest,
    ]
  }

  async #listed(
    handle: number,
    offset: number,
    size: number,
    entryBytes: number,
  ): Promise<readonly Listed[]> {
    const open = this.#handles.get(handle)
    if (offset === 0 || open.listing === undefined) open.listing = await this.#list(open.directory)
    const most = Math.max(1, Math.floor(size / (entryBytes + 8)))
    return orStale(open.listing.from(Math.max(0, offset - DOTS), most))
  }

  #dirent({ name, ino, attributes }: Listed, offset: number): FuseDirectoryEntry {
    const type = attributes === undefined ? 0 : TYPE_BITS[attributes.type]
    return { name, ino: this.#state.nodes.number(ino), type, offset }
  }

  /** What stands only here is sent first, so that the listing has it. */
  async #list(directory: number): Promise<Listing> {
    const { files, cache, listings } = this.#state
    await this.#state.newFilesSent(directory)
    await listings.arrival(directory)
    const listing = new Listing(files, cache, directory, {
      observe: (attributes) => this.#state.observe(attributes),
      completed: () => this.#isListed(directory),
    })
    if (listing.isComplete) this.#isListed(directory)
    return listing
  }

  /** Who lists a directory goes on to what is in it. */
  #isListed(directory: number): void {
    this.#state.listings.isListed(directory)
    this.#state.small.isListed(directory)
  }
}

function dots(node: Node, offset: number): FuseDirectoryEntry[] {
  return ['.', '..']
    .map((name, index) => ({ name, ino: node, type: TYPE_BITS.directory, offset: index + 1 }))
    .filter((entry) => entry.offset > offset)
}
