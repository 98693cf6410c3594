import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Soon } from '../../fuse/soon.js'
import { hasCode } from '../../remote-error.js'
import type { Nodes } from '../content/nodes.js'
import { NAMES } from './locked-inode.js'
import type { MountLocks } from './locks.js'
import type { WishedLock } from './wished-lock.js'

/** More are given back, the one not used for the longest time first. */
const MOST = 800
/** A lease that was not used for so long is given back: should this machine go to sleep, nobody waits for it. */
const IDLE_MILLISECONDS = 5_000
/** Who makes files with O_EXCL now and then a directory (tar, git, cp -a) will make some in it. */
const RECENT_MILLISECONDS = 2_000
/** A directory that others want too is not asked for again at once. */
const REFUSED_MILLISECONDS = 5_000

/** No open file goes with it. */
const NO_HANDLE = 0
const LEASE = { ...NAMES, type: 'write', pid: 0 } as const
const NEVER = new AbortController().signal

/**
 * Leases of the names of directories. While the mount has one, nobody else brings a name there: so O_EXCL is decided here. They
 * are asked for without waiting, where O_EXCL is used a second time, and for directories made here by who uses it.
 */
export class NameLeases {
  readonly #locks: MountLocks
  readonly #nodes: Nodes
  readonly #now: () => number
  readonly #log: (message: string, error?: unknown) => void
  /** Had, by when they were last used. */
  readonly #used = new Map<number, number>()
  readonly #asking = new Map<number, Promise<void>>()
  readonly #refused = new Map<number, number>()
  #lastExclusive = Number.NEGATIVE_INFINITY
  #lastDirectory = 0

  constructor(
    locks: MountLocks,
    nodes: Nodes,
    now: () => number,
    log: (message: string, error?: unknown) => void,
  ) {
    this.#locks = locks
    this.#nodes = nodes
    this.#now = now
    this.#log = log
  }

  /** Whether O_EXCL in a directory can be decided here; waits for a lease that is asked for. */
  decides(directory: number): Soon<boolean> {
    this.#lastExclusive = this.#now()
    const asking = this.#asking.get(directory)
    return asking === undefined ? this.has(directory) : asking.then(() => this.has(directory))
  }

  has(directory: number): boolean {
    if (!this.#locks.hasNames(directory)) return false
    this.#used.delete(directory)
    this.#used.set(directory, this.#now())
    return true
  }

  /** O_EXCL had to be decided by the server. */
  missed(directory: number): void {
    if (this.#lastDirectory === directory) this.#ask(directory)
    this.#lastDirectory = directory
  }

  /** A directory is going to be made: whoever uses O_EXCL gets the lease of its names with it. */
  wish(): WishedLock | undefined {
    return this.#isExpected ? this.#locks.wish(LEASE) : undefined
  }

  /** A directory was made here: in that version it was empty. */
  made({ ino, version }: WireAttributes, wish: WishedLock | undefined): void {
    const node = this.#nodes.known(ino)
    switch (wish && this.#locks.fulfil(node, NO_HANDLE, wish, version)) {
      case 'granted':
        this.#isUsed(ino)
        break
      case 'refused':
        this.#refused.set(ino, this.#now())
        break
      case 'unknown':
      case undefined:
        if (this.#isExpected) this.#ask(ino, version)
    }
    this.#nodes.drop(node)
  }

  get #isExpected(): boolean {
    return this.#now() - this.#lastExclusive < RECENT_MILLISECONDS
  }

  /** Called again and again. */
  tick(): void {
    const before = this.#now() - IDLE_MILLISECONDS
    for (const [directory, used] of this.#used) if (used < before) this.#giveBack(directory)
    for (const [directory, since] of this.#refused) {
      if (since < this.#now() - REFUSED_MILLISECONDS) this.#refused.delete(directory)
    }
  }

  #ask(directory: number, known?: number): void {
    if (this.#asking.has(directory) || this.#refused.has(directory)) return
    if (this.#locks.hasNames(directory)) return
    const asking = this.#asked(directory, known).finally(() => this.#asking.delete(directory))
    this.#asking.set(directory, asking)
  }

  async #asked(directory: number, known: number | undefined): Promise<void> {
    const node = this.#nodes.known(directory)
    try {
      await this.#locks.lock(node, NO_HANDLE, LEASE, 'at once', { signal: NEVER }, known)
      this.#isUsed(directory)
    } catch (error) {
      this.#refused.set(directory, this.#now())
      if (!hasCode(error, 'EAGAIN')) this.#log(`no lease of directory ${directory}`, error)
    } finally {
      this.#nodes.drop(node)
    }
  }

  #isUsed(directory: number): void {
    this.#used.set(directory, this.#now())
    const [oldest] = this.#used.keys()
    if (this.#used.size > MOST && oldest !== undefined) this.#giveBack(oldest)
  }

  #giveBack(directory: number): void {
    this.#used.delete(directory)
    if (this.#locks.hasNames(directory)) this.#locks.recalled(directory)
  }
}
