import { FileError } from '../errors.js'
import { inTheWay, type Lock, LockTable } from '../wire-locks.js'
import { isOf } from './owners.js'
import type { LockSession } from './session.js'

/** A request that could not be decided at once. */
export interface Waiting {
  readonly session: LockSession
  readonly request: string
  /** Its owner as the server's tables have it: made of connection and owner. */
  readonly lock: Lock
  /** Wants to wait for whoever holds a lock; otherwise it only waits until that is known. */
  readonly waits: boolean
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

  /** Locks, held or waited for before it, that a request waits for. */
  blockers(wanted: Waiting): Lock[] {
    const held = this.held.conflicts(wanted.lock)
    // Whoever holds something here goes first: those who wait may be waiting for just that.
    if (!wanted.waits || this.held.holds(wanted.lock.owner)) return held
    const at = this.queue.indexOf(wanted)
    const before = at === -1 ? this.queue : this.queue.slice(0, at)
    const earlier = before.filter(({ lock, waits }) => waits && inTheWay(lock, wanted.lock))
    return [...held, ...earlier.map(({ lock }) => lock)]
  }
}

export const MOST_INODES = 10_000
const MOST_WAITING = 1_000

/** The requests of one user that wait, by who waits. */
export class Queues {
  readonly #waiting = new Map<string, Set<{ inode: InodeLocks; wanted: Waiting }>>()

  /** @throws FileError ENOLCK */
  add(inode: InodeLocks, wanted: Waiting): void {
    const { session } = wanted
    if (session.waiting >= MOST_WAITING || session.inodes.size >= MOST_INODES) {
      throw new FileError('ENOLCK', 'this client waits for too many locks')
    }
    session.waiting += 1
    session.inodes.add(inode.ino)
    inode.queue.push(wanted)
    const { owner } = wanted.lock
    const all = this.#waiting.get(owner) ?? new Set()
    this.#waiting.set(owner, all)
    all.add({ inode, wanted })
  }

  remove(inode: InodeLocks, wanted: Waiting): void {
    wanted.session.waiting -= 1
    inode.queue.splice(inode.queue.indexOf(wanted), 1)
    const { owner } = wanted.lock
    const all = this.#waiting.get(owner)
    for (const one of all ?? []) if (one.wanted === wanted) all?.delete(one)
    if (all?.size === 0) this.#waiting.delete(owner)
  }

  /** Whether waiting would never end: someone it waits for waits, in the end, for its own owner (fcntl(2), EDEADLK). */
  isDeadlock(inode: InodeLocks, wanted: Waiting): boolean {
    const seen = new Set<string>()
    const next = inode.blockers(wanted).map(({ owner }) => owner)
    for (let owner = next.pop(); owner !== undefined; owner = next.pop()) {
      if (owner === wanted.lock.owner) return true
      if (seen.has(owner)) continue
      seen.add(owner)
      for (const other of this.#waiting.get(owner) ?? []) {
        if (other.wanted.lock.space !== 'posix' || !other.wanted.waits) continue
        for (const blocker of other.inode.blockers(other.wanted)) next.push(blocker.owner)
      }
    }
    return false
  }
}
