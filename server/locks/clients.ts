import type { LockSessionRecords } from '../database/lock-sessions.js'
import { FileError } from '../errors.js'
import { Fences } from './fences.js'
import type { Mailboxes } from './mailbox.js'
import type { Before, LockTimes } from './requests.js'
import type { LockSession } from './session.js'

/** What the locks of all users share. */
export interface Shared {
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly times: LockTimes
  readonly mailboxes: Mailboxes
  readonly records: LockSessionRecords
}

const MOST_SESSIONS = 200

/** The clients of one user that have to do with locks: those whose lease runs, those from before a restart, those that lost theirs. */
export class LockClients {
  readonly #user: string
  readonly #shared: Shared
  readonly #sessions = new Map<string, LockSession>()
  /** Had locks before the server started, and have not claimed them. */
  readonly #unclaimed: Set<string>
  /** Of those whose locks went to others. */
  readonly #fences: Fences

  constructor(user: string, shared: Shared, { connections, fences }: Before) {
    this.#user = user
    this.#shared = shared
    this.#unclaimed = new Set(connections)
    this.#fences = new Fences(user, shared.records, fences)
  }

  get isEmpty(): boolean {
    return this.#sessions.size + this.#unclaimed.size === 0 && this.#fences.isEmpty
  }

  /** Everybody has claimed what they had before the restart. */
  get haveAllClaimed(): boolean {
    return this.#unclaimed.size === 0
  }

  mustClaim(connection: string): boolean {
    return this.#unclaimed.has(connection) || this.#fences.has(connection)
  }

  mayClaim(connection: string): boolean {
    return this.#unclaimed.has(connection)
  }

  hasClaimed(connection: string): void {
    this.#unclaimed.delete(connection)
    this.#fences.remove(connection)
    if (!this.#sessions.has(connection)) this.#shared.records.remove(this.#user, connection)
  }

  /**
   * Somebody is to get a lock: what has not been claimed by now can no longer be, since whoever came only now to claim what it had may
   * find that lock in its way, or the traces of it.
   */
  taken(ino: number): void {
    for (const connection of this.#unclaimed) {
      this.#fences.addUnknown(connection)
      this.#shared.records.remove(this.#user, connection)
    }
    this.#unclaimed.clear()
    this.#fences.taken(ino)
  }

  get(connection: string): LockSession | undefined {
    return this.#sessions.get(connection)
  }

  /** The session of a client that asks for something. @throws FileError ENOLCK if there are too many */
  of(connection: string): LockSession {
    const known = this.#sessions.get(connection)
    if (known !== undefined) {
      this.extend(known)
      return known
    }
    if (this.#sessions.size >= MOST_SESSIONS) {
      throw new FileError('ENOLCK', `${MOST_SESSIONS} clients of one user have locks already`)
    }
    const fresh = { leaseUntil: 0, held: 0, waiting: 0 }
    const none = { recalled: new Map<number, number>(), inodes: new Set<number>() }
    const session: LockSession = { user: this.#user, connection, ...fresh, ...none }
    this.extend(session)
    this.#shared.records.add(this.#user, connection)
    this.#sessions.set(connection, session)
    return session
  }

  /** Who is to give something back by then is told how long the lease still goes on, and believes in it no longer than that. */
  extend(session: LockSession): void {
    const { now, times } = this.#shared
    const until = Math.min(now() + times.leaseMilliseconds, ...session.recalled.values())
    session.leaseUntil = Math.max(session.leaseUntil, until)
  }

  /** How long a client that asks now may believe in what it has. */
  leaseLeft(connection: string): number {
    const { now, times } = this.#shared
    const session = this.#sessions.get(connection)
    if (session === undefined) return times.leaseMilliseconds
    return Math.max(0, session.leaseUntil - now())
  }

  isExpired(session: LockSession): boolean {
    return session.leaseUntil <= this.#shared.now()
  }

  /** Those that are gone although nobody wants what they have. */
  longGone(): LockSession[] {
    const before = this.#shared.now() - this.#shared.times.forgottenMilliseconds
    return [...this.#sessions.values()].filter(({ leaseUntil }) => leaseUntil < before)
  }

  /** Those without locks that do not come back need not be waited for after a restart. */
  dropIdle(): void {
    for (const session of this.#sessions.values()) {
      if (session.inodes.size === 0 && this.isExpired(session)) this.drop(session.connection)
    }
  }

  drop(connection: string): void {
    this.#sessions.delete(connection)
    this.#unclaimed.delete(connection)
    this.#fences.remove(connection)
    this.#shared.records.remove(this.#user, connection)
  }

  revoked(connection: string, inodes: ReadonlySet<number>): void {
    this.#sessions.delete(connection)
    this.#fences.add(connection, inodes)
    this.#shared.records.remove(this.#user, connection)
  }

  isFenced(connection: string, ino: number): boolean {
    return this.#fences.isFenced(connection, ino)
  }
}
