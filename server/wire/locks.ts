/**
 * Locks of one inode, as fcntl(2) and flock(2) have them: who keeps whom out, and how ranges split and join. Server and mount decide
 * alike, so both use this. A leaf module: it imports nothing.
 */

/**
 * Locks of fcntl(2) and of flock(2) do not see each other, as on Linux. `names` is the lease of a directory's names: while a client
 * has it, nobody else brings a name into the directory. It is granted with the right to decide (`delegated`), or not at all.
 */
export const LOCK_SPACES = ['posix', 'flock', 'names'] as const
export type LockSpace = (typeof LOCK_SPACES)[number]

/** `read` goes together with `read` (LOCK_SH), `write` with nothing (LOCK_EX). */
export const LOCK_TYPES = ['read', 'write'] as const
export type LockType = (typeof LOCK_TYPES)[number]

/** The last byte of a range that goes on to the end of the file, wherever that will be. */
export const LOCK_END = Number.MAX_SAFE_INTEGER

/** Bytes from `start` to `end`, both included. flock(2) locks all of them. */
export interface LockRange {
  readonly space: LockSpace
  /** A process for fcntl(2), an open file for flock(2); its own locks are in nobody's way but others'. */
  readonly owner: string
  readonly start: number
  readonly end: number
}

export interface Lock extends LockRange {
  readonly type: LockType
  /** For F_GETLK; 0 where it means nothing to the asker. */
  readonly pid: number
}

export class LockTable {
  #locks: Lock[] = []

  get size(): number {
    return this.#locks.length
  }

  all(): readonly Lock[] {
    return this.#locks
  }

  holds(owner: string): boolean {
    return this.#locks.some((lock) => lock.owner === owner)
  }

  /** Whether an owner has just this, or more. */
  covers(wanted: Lock): boolean {
    return this.#locks.some(
      (lock) =>
        isSameOwner(lock, wanted) &&
        lock.type === wanted.type &&
        lock.start <= wanted.start &&
        lock.end >= wanted.end,
    )
  }

  /** What keeps a lock from being had. */
  *conflicts(wanted: Lock): Generator<Lock> {
    for (const lock of this.#locks) if (inTheWay(lock, wanted)) yield lock
  }

  /** One of them. */
  conflict(wanted: Lock): Lock | undefined {
    return this.#locks.find((lock) => inTheWay(lock, wanted))
  }

  /** Takes a lock: it replaces what its owner has of the range, and joins what it touches. @returns how many locks there are more */
  set(wanted: Lock): number {
    const before = this.#locks.length
    this.clear(wanted)
    let { start, end } = wanted
    this.#locks = this.#locks.filter((lock) => {
      const joins = isSameOwner(lock, wanted) && lock.type === wanted.type
      if (!joins || lock.end < start - 1 || lock.start > end + 1) return true
      start = Math.min(start, lock.start)
      end = Math.max(end, lock.end)
      return false
    })
    this.#locks.push({ ...wanted, start, end })
    return this.#locks.length - before
  }

  /** Lets go of a range; what stands out of it stays locked. @returns how many locks there are fewer (fewer than none if one was split) */
  clear(range: LockRange): number {
    const isMeant = (lock: Lock) => isSameOwner(lock, range) && overlap(lock, range)
    if (!this.#locks.some(isMeant)) return 0
    const before = this.#locks.length
    this.#locks = this.#locks.flatMap((lock) => {
      if (!isMeant(lock)) return [lock]
      const left = lock.start < range.start ? [{ ...lock, end: range.start - 1 }] : []
      const right = lock.end > range.end ? [{ ...lock, start: range.end + 1 }] : []
      return [...left, ...right]
    })
    return before - this.#locks.length
  }

  /** Lets go of everything whose owner is meant. @returns how many that were */
  drop(isMeant: (lock: Lock) => boolean): number {
    const before = this.#locks.length
    this.#locks = this.#locks.filter((lock) => !isMeant(lock))
    return before - this.#locks.length
  }
}

/** Whether two locks cannot be had at once. */
export function inTheWay(one: Lock, other: Lock): boolean {
  if (one.space !== other.space || one.owner === other.owner) return false
  return (one.type === 'write' || other.type === 'write') && overlap(one, other)
}

function isSameOwner(one: LockRange, other: LockRange): boolean {
  return one.space === other.space && one.owner === other.owner
}

function overlap(one: LockRange, other: LockRange): boolean {
  return one.start <= other.end && other.start <= one.end
}

/** What a client held of an inode when the server forgot it. */
export interface WireClaim {
  ino: number
  locks: Lock[]
}

/** What `lock`, `testLock` and `cancelLock` answer. */
export type WireLockAnswer =
  /**
   * `newest`: the number of the newest change: what is known of the tree is as new as the lock once that has been told.
   * `delegated`: the client decides by itself about all locks of the inode, until a `recall`. `version`: of the inode. `lease`: as
   * `milliseconds` of the lease.
   */
  | { state: 'granted'; newest: number; delegated: boolean; version: number; lease: number }
  | { state: 'refused'; code: 'EAGAIN' | 'EDEADLK' | 'ENOLCK' }
  | { state: 'waiting' }
  | { state: 'unclaimed' }
  /** Of `testLock`: nobody is in the way, or who is (`owner` is empty; `pid` 0 if of another client). */
  | { state: 'free' }
  | { state: 'held'; lock: Lock }
  /** Of `cancelLock`: it waits no longer, or it was decided before. */
  | { state: 'cancelled' | 'decided' }

/** What `renewLocks` answers. */
export interface WireLease {
  state: 'held' | 'unclaimed'
  /** How long it still goes on. It is not renewed for longer than until what is recalled is to be given back. */
  milliseconds: number
  /** Names this run of the server; another one does not know the locks any more. */
  run: string
  /** Inodes to be given back. */
  recalls: number[]
}

/**
 * Events of GET /changes about locks, for the connection that the request names. `lock`: a request that waited is decided (ask
 * again for how); `recall`: the inode's locks are to be given back; `told`: all changes up to `newest` have been told.
 */
export type WireLockNews = { request: string } | { ino: number } | { newest: number }
