import type { WireAttributes } from '../../server/wire/inodes.js'
import { Cache } from '../cache/cache.js'
import type { Kernel } from '../fuse/filesystem.js'
import type { Soon } from '../fuse/soon.js'
import type { RemoteFiles, RemoteLocks } from '../remote/remote-files.js'
import { hasCode } from '../remote-error.js'
import { byNumber, isTransient } from './answer.js'
import { Owners } from './attributes.js'
import { Budget } from './content/budget.js'
import { Contents } from './content/contents.js'
import { type KnownNode, Nodes } from './content/nodes.js'
import { WrittenFiles } from './content/written-files.js'
import { Coherence } from './invalidation/coherence.js'
import { ShownBeforehand } from './invalidation/shown-beforehand.js'
import { Lease } from './locks/lease.js'
import { MountLocks } from './locks/locks.js'
import { NameLeases } from './locks/name-leases.js'
import { ContestedNames } from './names/contested-names.js'
import { ListingsAhead } from './names/listings-ahead.js'
import { Lookups, type Place } from './names/lookups.js'
import { Names } from './names/names.js'
import { Orphans } from './names/orphans.js'
import { Unborn } from './names/unborn.js'
import { View } from './names/view.js'
import { AheadMemory } from './open-files/ahead-memory.js'
import { OpenFiles } from './open-files/open-files.js'
import { SmallFiles } from './open-files/small-files.js'
import { DEFAULTS, type FileSystemOptions } from './options.js'
import { behindUnawaited } from './requests/behind-unawaited.js'
import { DurableNames } from './requests/durable-names.js'
import { withReasons } from './requests/reasons.js'
import { ReservedNumbers } from './requests/reserved-numbers.js'
import { type AttributeChange, Unawaited } from './requests/unawaited.js'

/** Inodes and names remembered at most. */
const CACHED = 200_000
/** Small files that were just written. */
const WRITTEN_BYTES = 4 << 20

/** Everything one mount knows, and how its parts tell each other what they learned. */
export class MountState {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly nodes: Nodes
  readonly owners: Owners
  readonly view: View
  readonly unborn = new Unborn()
  readonly contents: Contents
  readonly open: OpenFiles
  readonly small: SmallFiles
  readonly #dropContents: () => void
  readonly listings: ListingsAhead
  readonly lookups: Lookups
  readonly names: Names
  readonly unawaited: Unawaited
  readonly orphans: Orphans
  readonly durable: DurableNames
  readonly numbers: ReservedNumbers
  /** Between machines; without them the kernel keeps locks for this mount alone. */
  readonly locks: MountLocks | undefined
  /** With a journal nobody waits until a name is on the server: then there are none. */
  readonly leases: NameLeases | undefined
  readonly log: (message: string, error?: unknown) => void
  /** How often a change of another machine was written over. */
  overwritten = 0
  /** How often mode, owner or times that could not be sent in time were left as another machine had set them. */
  yielded = 0
  readonly #beforehand: ShownBeforehand
  readonly contested: ContestedNames
  readonly #stream: Pick<RemoteFiles, 'othersUpTo' | 'hurryChanges'>
  #kernel: Kernel | undefined
  #coherence: Coherence | undefined

  constructor(remote: RemoteFiles, options: FileSystemOptions) {
    const now = options.now ?? (() => performance.now())
    const { timeoutMilliseconds, readBytes, writeBytes } = { ...DEFAULTS, ...options }
    this.log = options.log ?? (() => {})
    // Nothing is asked by them, and there is nothing to wait for.
    this.#stream = remote
    this.durable = new DurableNames(withReasons(remote, this.log))
    const reported = this.durable.files
    this.unawaited = new Unawaited(reported, {
      removed: (removal, left) => this.#beforehand.removed(removal, left),
      stillStands: (removal, error) => this.#beforehand.stillStands(removal, error),
      set: (change, attributes, isLast) => this.#beforehand.set(change, attributes, isLast),
      notSet: (change, error) => this.#notSet(change, error),
    })
    const files = behindUnawaited(reported, this.unawaited)
    this.files = files
    this.cache = new Cache({ now, timeoutMilliseconds, limit: CACHED })
    this.cache.learn(options.root, this.cache.ticket())
    this.nodes = new Nodes(options.root.ino)
    this.owners = new Owners(options.owner, options.umask)
    const areLost = (ino: number) => this.locks?.areLost(ino) === true
    this.contested = new ContestedNames(now)
    const { cache, nodes, owners, unborn, unawaited, contested, log } = this
    this.view = new View({ nodes, cache, owners, unborn, unawaited, contested, areLost })
    this.numbers = new ReservedNumbers(files)
    const observe = (attributes: WireAttributes) => this.observe(attributes)
    const { view } = this
    this.#beforehand = new ShownBeforehand({ cache, nodes, unborn, unawaited, log })
    // A journal has what is written itself, and its versions are not the server's.
    const written = new WrittenFiles(files.journals === true ? 0 : WRITTEN_BYTES)
    this.contents = new Contents(
      {
        files,
        cache,
        written,
        budget: new Budget(writeBytes),
        now,
        beforeSending: ({ ino }) =>
          files.journals === true ? undefined : this.locks?.beforeSending(ino),
        foreign: (node) => this.foreign(node),
        born: (node, birth, attributes, ticket) =>
          this.#beforehand.born(node, birth, attributes, ticket),
        forsaken: (birth) => this.#beforehand.forsaken(birth),
        overtook: ({ ino }, how) => {
          this.overwritten += 1
          log(`inode ${ino} was ${how} over a change of another machine`)
        },
        yielded: ({ ino }, attributes) => {
          if (attributes.length === 0) return
          this.yielded += 1
          const what = attributes.join(', ')
          log(
            `what was set of inode ${ino} (${what}) is given up: another machine did it meanwhile`,
          )
        },
      },
      nodes,
      log,
    )
    const { contents } = this
    const orphans = new Orphans({ files, cache, nodes, contents, log })
    this.orphans = orphans
    const memory = new AheadMemory(readBytes, now)
    const small = new SmallFiles({ files, cache, nodes, memory })
    this.small = small
    this.#dropContents = () => {
      written.drop()
      small.drop()
    }
    const arrived = (directory: number) => small.isListedAhead(directory)
    const listings = new ListingsAhead({ files, cache, nodes, observe, arrived })
    this.listings = listings
    this.lookups = new Lookups({ files, cache, unborn, view, listings, observe }, now)
    this.names = new Names({ files, cache, nodes, unborn, unawaited, orphans })
    this.locks =
      remote.locks === undefined || options.locks === 'local'
        ? undefined
        : this.#shared(remote.locks, now)
    const { locks } = this
    const leasable = remote.journals === true ? undefined : locks
    this.leases = leasable && new NameLeases(leasable, nodes, now, log)
    this.open = new OpenFiles({
      files,
      cache,
      contents,
      small,
      written,
      memory,
      locks,
      orphans,
      observe,
      foreign: (node) => this.foreign(node),
    })
  }

  /** From the handshake on the kernel can be told what it must drop. */
  connect(kernel: Kernel): void {
    this.#kernel = kernel
    this.#beforehand.connect(kernel)
    const { files, cache, nodes, unborn, contested, locks, log } = this
    const foreign = (node: KnownNode) => this.foreign(node)
    const dropContents = () => this.#dropContents()
    const content = { foreign, dropContents }
    const hurry = () => this.#stream.hurryChanges?.()
    const mount = { files, cache, nodes, unborn, contested, locks, log, hurry, ...content }
    this.#coherence = new Coherence(mount, kernel)
  }

  disconnect(): void {
    this.#coherence?.stop()
  }

  /**
   * What the server let us make or rename may be a lock to the program, which then wants to see all that others did before: so it
   * waits where the stream of changes has not told it yet, or was interrupted just now, believes nothing where it stays away, and waits
   * for the kernel to drop what it told of.
   */
  async caughtUp(): Promise<void> {
    await this.#coherence?.caughtUp(this.#stream.othersUpTo?.())
  }

  /** A program tries for a name that others may want as well. */
  tried({ directory, name }: Place): void {
    if (this.contested.tried(directory, name)) this.#coherence?.doubt(directory)
  }

  /** To its new name the kernel takes along for how long it was let believe the one before. */
  moved({ directory, name }: Place): void {
    if (this.contested.has(directory)) this.#coherence?.doubt(directory, [name])
  }

  /** Attributes of an inode asked for by number, and for how long they hold. */
  stat(ino: number): Soon<{ value: WireAttributes; milliseconds: number }> {
    return this.cache.attributes(ino) ?? this.#ask(ino)
  }

  async #ask(ino: number): Promise<{ value: WireAttributes; milliseconds: number }> {
    if (this.unawaited.count > 0) {
      await this.unawaited.about(ino)
      const known = this.cache.attributes(ino)
      if (known !== undefined) return known
    }
    const removed = this.nodes.of(ino)?.removed
    if (removed !== undefined) return { value: removed, milliseconds: this.cache.timeout }
    const ticket = this.cache.ticket()
    try {
      const value = await this.files.stat(ino)
      this.observe(value)
      return { value, milliseconds: this.cache.learn(value, ticket) }
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ESTALE')) this.cache.changed(ino)
      throw byNumber(error)
    }
  }

  /** Sends a file the server has not heard of before something is asked of it by number. */
  sent(ino: number): Soon<void> {
    const content = this.nodes.of(ino)?.content
    if (content?.birth !== undefined) return content.flush()
  }

  /** Sends the new files of a directory. One that the server does not take stays for those who have it open. */
  newFilesSent(directory: number): Soon<void> {
    if (!this.unborn.areIn(directory)) return
    const sent = this.unborn.sendAll(directory)
    return sent.catch((error: unknown) => this.log('a new file could not be sent', error))
  }

  /** The server told attributes: a version newer than the kernel's pages is somebody else's. */
  observe(attributes: WireAttributes): void {
    const node = this.nodes.of(attributes.ino)
    const seen = node?.pages ?? node?.readSince
    if (node === undefined || seen === undefined || attributes.version <= seen) return
    if (node.content === undefined || node.content.isClean) this.foreign(node)
  }

  /** The content of a node is no longer what its kernel pages and read-ahead hold. */
  foreign(node: KnownNode): void {
    node.pages = undefined
    node.readSince = undefined
    this.open.dropReadAhead(node)
    this.#kernel?.invalidateInode(node.id, 0, 0)
  }

  /** Resolves once the kernel has written what programs changed of these pages (`length` 0: to the end), and dropped them. */
  async dropPages(node: KnownNode, offset: number, length: number): Promise<void> {
    this.#kernel?.invalidateInode(node.id, offset, length)
    await this.#kernel?.inodesSettled()
  }

  /** What was set and could not be is tried again, unless it was refused for good. */
  #notSet(change: AttributeChange, error: unknown): void {
    const { ino, known, changes } = change
    this.#beforehand.notSet(change)
    if (isTransient(error)) this.contents.areLate(this.nodes.known(ino), known, changes, error)
    else {
      this.log(`what was set of inode ${ino} was refused later`, error)
      const node = this.nodes.of(ino)
      if (node !== undefined) node.unset = error
    }
  }

  #shared(remote: RemoteLocks, now: () => number): MountLocks {
    return new MountLocks({
      remote,
      lease: new Lease([now, Date.now]),
      flush: async ({ content, ino }) => {
        await this.unawaited.all()
        if (content?.isClean === false) await content.flush()
        await this.unborn.sendAll(ino)
        await this.files.sent?.(ino)
      },
      upTo: async (newest) => this.#coherence?.upTo(newest),
      told: async (newest) => this.#coherence?.told(newest),
      isAway: () => this.files.isAway?.() === true,
      openOf: (node) => this.open.of(node),
      unsent: ({ content }) => (content?.isClean === false ? content : undefined),
      lost: async (node) => {
        await this.contents.giveUp(node)
        this.cache.changed(node.ino)
        this.foreign(node)
      },
      log: this.log,
    })
  }
}
