import { randomBytes } from 'node:crypto'
import type { LockSessionRecords } from '../database/lock-sessions.js'
import type { NameGuard } from '../storage/name-guard.js'
import type { Lock, LockRange } from '../wire/locks.js'
import type { Shared } from './clients.js'
import { type Mailbox, Mailboxes } from './mailbox.js'
import {
  type Before,
  type Claim,
  LOCK_TIMES,
  type LockAnswer,
  type LockRequest,
  type LockTimes,
} from './requests.js'
import { UserLocks } from './user-locks.js'

/** Who asks: a user's client, by the name it gave its connection. */
export interface LockClient {
  readonly user: string
  readonly connection: string
}

const TICK_MILLISECONDS = 1_000

/**
 * Locks between clients, in memory: of whom each lock is, until when its client is believed to be there, who waits. What users
 * lock does not touch other users.
 */
export class Locks implements NameGuard {
  /** Of this run of the server: a client sees by it that what it held is no longer known. */
  readonly run = randomBytes(9).toString('base64url')
  readonly #shared: Shared
  readonly #users = new Map<string, UserLocks>()
  readonly #timer: NodeJS.Timeout
  #stoppedAt: number | undefined

  constructor(options: {
    readonly now: () => number
    readonly records: LockSessionRecords
    readonly times?: Partial<LockTimes>
  }) {
    const { now, records } = options
    const times = { ...LOCK_TIMES, ...options.times }
    const time = () => this.#stoppedAt ?? now()
    this.#shared = { now: time, times, records, mailboxes: new Mailboxes() }
    for (const [user, before] of byUser(records)) {
      this.#users.set(user, new UserLocks(user, this.#shared, before))
    }
    this.#timer = setInterval(() => this.tick(), TICK_MILLISECONDS).unref()
  }

  /** How long a client that asks now may believe in what it has: counted by its own clocks, from before it asked. */
  leaseLeft({ user, connection }: LockClient): number {
    const { leaseMilliseconds } = this.#shared.times
    return this.#users.get(user)?.leaseLeft(connection) ?? leaseMilliseconds
  }

  lock({ user, connection }: LockClient, ino: number, asked: LockRequest): LockAnswer {
    return this.#of(user).lock(connection, ino, asked)
  }

  unlock({ user, connection }: LockClient, ino: number, range: LockRange): void {
    this.#users.get(user)?.unlock(connection, ino, range)
  }

  test({ user, connection }: LockClient, ino: number, lock: Lock): Lock | 'none' | 'unknown' {
    return this.#users.get(user)?.test(connection, ino, lock) ?? 'none'
  }

  cancel({ user, connection }: LockClient, ino: number, request: string): boolean {
    return this.#users.get(user)?.cancel(connection, ino, request) ?? false
  }

  giveBack({ user, connection }: LockClient, ino: number, locks: readonly Lock[]): void {
    this.#users.get(user)?.giveBack(connection, ino, locks)
  }

  renew({ user, connection }: LockClient): ReturnType<UserLocks['renew']> {
    return this.#users.get(user)?.renew(connection) ?? { state: 'held', recalls: [] }
  }

  claim({ user, connection }: LockClient, claims: readonly Claim[], isLast: boolean): number[] {
    return this.#of(user).claim(connection, claims, isLast)
  }

  end({ user, connection }: LockClient): void {
    this.#users.get(user)?.end(connection)
  }

  /** @throws FileError ESTALE for what was written under a lock that was lost */
  refuseFenced(user: string, connection: string, ino: number): void {
    this.#users.get(user)?.refuseFenced(connection, ino)
  }

  /** See NameGuard: what keeps a name from being brought into a directory. */
  leased(
    user: string,
    directory: number,
    { connection }: { readonly connection?: string },
  ): Promise<void> | undefined {
    return this.#users.get(user)?.leased(connection, directory)
  }

  /** News for a client, while its stream of changes is open; the caller closes it. */
  listen({ user, connection }: LockClient): Mailbox {
    const box = this.#shared.mailboxes.open(user, connection)
    for (const ino of this.#users.get(user)?.recallsOf(connection) ?? []) {
      box.put({ kind: 'recall', ino })
    }
    return box
  }

  /** Its stream of changes is open, which ends with its process. */
  isListening(client: LockClient): boolean {
    return this.#shared.mailboxes.has(client)
  }

  /** Once `newest` changes have been told to the client's stream, it is told that. */
  tellWhenTold(client: LockClient, newest: number): void {
    this.#shared.mailboxes.post(client, { kind: 'told', newest })
  }

  /** Leases, recalls and grace periods that are over. */
  tick(): void {
    for (const [user, locks] of this.#users) {
      locks.tick()
      if (locks.isEmpty) this.#users.delete(user)
    }
  }

  /**
   * The server is about to stop: from now on nobody can renew a lease, so none runs out, while requests under way are answered still.
   */
  stop(): void {
    this.close()
    this.#stoppedAt = this.#shared.now()
    for (const locks of this.#users.values()) locks.stop()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #of(user: string): UserLocks {
    const known = this.#users.get(user)
    if (known !== undefined) return known
    const locks = new UserLocks(user, this.#shared, nothingBefore())
    this.#users.set(user, locks)
    return locks
  }
}

const nothingBefore = (): Before => ({
  connections: [],
  leases: new Map(),
  fences: new Map(),
})

function byUser(records: LockSessionRecords): Map<string, Before> {
  const users = new Map<string, Before>()
  const of = (user: string): Before => {
    const before = users.get(user) ?? nothingBefore()
    users.set(user, before)
    return before
  }
  for (const { user, connection } of records.all()) of(user).connections.push(connection)
  for (const { user, connection, directory } of records.leases()) {
    of(user).leases.set(directory, connection)
  }
  for (const { user, connection, ino } of records.fences()) {
    const { fences } = of(user)
    fences.set(connection, (fences.get(connection) ?? new Set()).add(ino))
  }
  return users
}
