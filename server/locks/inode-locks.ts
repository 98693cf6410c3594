import { inTheWay, type Lock, LockTable } from '../wire/locks.js'
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
