import { LOCK_END, type Lock, type LockRange, LockTable } from '../../../server/wire/locks.js'
import type { Handle } from '../../fuse/filesystem.js'
import type { KnownNode } from '../content/nodes.js'

/** More locks of one file than this the server keeps: they must fit into one message. */
export const MOST_DELEGATED_LOCKS = 250

/** The lease of a directory's names. */
export const NAMES: LockRange = { space: 'names', owner: 'mount', start: 0, end: LOCK_END }

/** The locks that programs of this mount have on one inode. */
export class LockedInode {
  readonly node: KnownNode
  readonly held = new LockTable()
  /** We decide by ourselves; the server does not know these locks. */
  isDelegated = false
  /** Through which open files an owner took its locks. */
  readonly #handles = new Map<string, Set<Handle>>()
  #turn: Promise<unknown> = Promise.resolve()
  #turns = 0
  #exchange: Promise<unknown> = Promise.resolve()
  /** Requests for locks that are not decided: what they get is noted here. */
  #undecided = 0

  constructor(node: KnownNode) {
    this.node = node
  }

  get isUnused(): boolean {
    const isIdle = this.#turns === 0 && this.#undecided === 0
    return this.held.size === 0 && !this.isDelegated && isIdle
  }

  /** Nothing is under way, so that it can be decided at once. */
  get isQuiet(): boolean {
    return this.#turns === 0
  }

  /** One change of its locks at a time, with all that is sent and heard before and after. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#turns += 1
    const turn = this.#turn.then(work, work)
    this.#turn = turn
    try {
      return await turn
    } finally {
      this.#turns -= 1
    }
  }

  /**
   * Tells the server something of its locks and notes it here: so what is claimed meanwhile is neither more nor less than what
   * the server was told. It waits for nothing but the server's answer, unlike a turn.
   */
  exchange<T>(work: () => Promise<T>): Promise<T> {
    const exchange = this.#exchange.then(work, work)
    this.#exchange = exchange
    return exchange
  }

  /** While it is decided about a lock, however long that takes, the inode stays known. */
  async undecided<T>(decide: () => Promise<T>): Promise<T> {
    this.#undecided += 1
    try {
      return await decide()
    } finally {
      this.#undecided -= 1
    }
  }

  set(lock: Lock, handle: Handle): void {
    this.held.set(lock)
    const key = keyOf(lock)
    const handles = this.#handles.get(key) ?? new Set()
    this.#handles.set(key, handles.add(handle))
  }

  clear(range: LockRange): void {
    this.held.clear(range)
    if (!this.has(range)) this.#handles.delete(keyOf(range))
  }

  /** Whether an owner has any lock here. */
  has({ space, owner }: LockRange): boolean {
    return this.held.all().some((lock) => lock.space === space && lock.owner === owner)
  }

  /** What an owner has in a range. */
  within({ space, owner, start, end }: LockRange): Lock[] {
    return this.held
      .all()
      .filter((lock) => lock.space === space && lock.owner === owner)
      .filter((lock) => lock.start <= end && start <= lock.end)
      .map((lock) => ({
        ...lock,
        start: Math.max(lock.start, start),
        end: Math.min(lock.end, end),
      }))
  }

  /** All that the owners have who took locks through an open file. */
  ownedThrough(handle: Handle): LockRange[] {
    const ranges = new Map<string, LockRange>()
    for (const { space, owner } of this.held.all()) {
      const key = keyOf({ space, owner })
      if (this.#handles.get(key)?.has(handle) !== true) continue
      ranges.set(key, { space, owner, start: 0, end: LOCK_END })
    }
    return [...ranges.values()]
  }

  /** All locks are lost. */
  lose(): void {
    this.held.drop(() => true)
    this.#handles.clear()
  }
}

function keyOf({ space, owner }: Pick<LockRange, 'space' | 'owner'>): string {
  return `${space} ${owner}`
}

/** Nothing but a lock: it goes over the wire as it is. */
export function lockOf({ space, owner, start, end, type, pid }: Lock): Lock {
  return { space, owner, start, end, type, pid }
}

/** What locks leave of a range. */
export function gaps({ space, owner, start, end }: LockRange, locks: readonly LockRange[]) {
  const free: LockRange[] = []
  let next = start
  for (const lock of [...locks].sort((one, other) => one.start - other.start)) {
    if (lock.start > next) free.push({ space, owner, start: next, end: lock.start - 1 })
    next = lock.end + 1
  }
  if (next <= end) free.push({ space, owner, start: next, end })
  return free
}

export function rangeOf({ space, owner, start, end }: LockRange): LockRange {
  return { space, owner, start, end }
}
