import { FileError } from '../errors.js'
import { inTheWay, type Lock, LockTable } from '../wire/locks.js'
import type { LockSession } from './mailbox.js'
import { isOf } from './owners.js'

/** A request that could not be decided at once. */
export interface Waiting {
  readonly session: LockSession
  readonly request: string
  /** Its owner as the server's tables have it: made of connection and owner. */
  readonly lock: Lock
  /** Wants to wait for whoever holds a lock; otherwise it only waits until that is known. */
  readonly waits: boolean
  /** Whether it would wait for ever was looked at: by then it was known whom it waits for. Whoever closes a circle later sees it. */
  isChecked: boolean
}

/** The locks of one inode: who holds them, or who may decide about them, and who waits, first come first. */
export class InodeLocks {
  readonly ino: number
  readonly held = new LockTable()
  readonly queue: Waiting[] = []
  /** Decides about locks of its programs by itself, until it is recalled. Nothing is held here then. */
  delegated: LockSession | undefined
  recalledAt: number | undefined

  constructor(ino: number) {
    this.ino = ino
  }

  get isEmpty(): boolean {
    return this.held.size === 0 && this.queue.length === 0 && this.delegated === undefined
  }

  isUsedBy(session: LockSession): boolean {
    return (
      this.delegated === session ||
      this.queue.some((one) => one.session === session) ||
      this.held.all().some((lock) => isOf(session.connection, lock))
    )
  }

  /** Nobody else holds anything or waits. */
  isOnlyOf({ connection }: LockSession): boolean {
    return this.queue.length === 0 && this.held.all().every((lock) => isOf(connection, lock))
  }

  /** The locks that a request waits for: those that are held, then those that are waited for before it. */
  *blockers(wanted: Waiting): Generator<Lock> {
    yield* this.held.conflicts(wanted.lock)
    // Whoever holds something here goes first: those who wait may be waiting for just that.
    if (!wanted.waits || this.held.holds(wanted.lock.owner)) return
    for (const earlier of this.queue) {
      if (earlier === wanted) return
      if (earlier.waits && inTheWay(earlier.lock, wanted.lock)) yield earlier.lock
    }
  }

  /** The first of them. */
  blocker(wanted: Waiting): Lock | undefined {
    const [first] = this.blockers(wanted)
    return first
  }
}

export const MOST_INODES = 10_000
/** Of one client, and of all of one user. */
const MOST_WAITING = 1_000
const MOST_OF_USER = 5_000
/** So many locks are looked at to find out whether a request would wait for ever; fcntl(2) of Linux follows ten that wait. */
const MOST_LOOKED_AT = 2_000

/** The requests of one user that wait, by who waits. */
export class Queues {
  readonly #waiting = new Map<string, Set<{ inode: InodeLocks; wanted: Waiting }>>()
  #count = 0

  /** @throws FileError ENOLCK */
  add(inode: InodeLocks, wanted: Waiting): void {
    const { session } = wanted
    if (this.#count >= MOST_OF_USER) {
      throw new FileError('ENOLCK', 'the clients of this user wait for too many locks')
    }
    if (session.waiting >= MOST_WAITING || session.inodes.size >= MOST_INODES) {
      throw new FileError('ENOLCK', 'this client waits for too many locks')
    }
    this.#count += 1
    session.waiting += 1
    session.inodes.add(inode.ino)
    inode.queue.push(wanted)
    const { owner } = wanted.lock
    const all = this.#waiting.get(owner) ?? new Set()
    this.#waiting.set(owner, all)
    all.add({ inode, wanted })
  }

  remove(inode: InodeLocks, wanted: Waiting): void {
    this.#count -= 1
    wanted.session.waiting -= 1
    inode.queue.splice(inode.queue.indexOf(wanted), 1)
    const { owner } = wanted.lock
    const all = this.#waiting.get(owner)
    for (const one of all ?? []) if (one.wanted === wanted) all?.delete(one)
    if (all?.size === 0) this.#waiting.delete(owner)
  }

  /**
   * Whether waiting would never end: someone it waits for waits, in the end, for its own owner (fcntl(2), EDEADLK). Where that takes
   * too long to find out it waits: who has thousands of locks must not keep everybody else waiting.
   */
  isDeadlock(inode: InodeLocks, wanted: Waiting): boolean {
    let left = MOST_LOOKED_AT
    const mayLookAt = ({ held, queue }: InodeLocks) => {
      left -= held.size + queue.length
      return left >= 0
    }
    if (!mayLookAt(inode)) return false
    const seen = new Set<string>()
    // Who holds something is followed before who only waits there, too: of those may be many, and they wait for the same.
    const next = [...inode.blockers(wanted)].toReversed()
    for (let blocker = next.pop(); blocker !== undefined; blocker = next.pop()) {
      const { owner } = blocker
      if (owner === wanted.lock.owner) return true
      if (seen.has(owner)) continue
      seen.add(owner)
      for (const other of this.#waiting.get(owner) ?? []) {
        if (other.wanted.lock.space !== 'posix' || !other.wanted.waits) continue
        if (!mayLookAt(other.inode)) return false
        next.push(...[...other.inode.blockers(other.wanted)].toReversed())
      }
    }
    return false
  }
}
