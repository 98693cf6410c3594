import { FileError } from '../errors.js'
import type { Lock, LockRange } from '../wire/locks.js'
import { Arrivals } from './arrivals.js'
import { LockClients, type Shared } from './clients.js'
import { InodeLocks, type Waiting } from './inode-locks.js'
import { LeasedDirectories } from './leased-directories.js'
import type { Decision } from './mailbox.js'
import { connectionOf, isOf, owned } from './owners.js'
import { MOST_INODES, Queues } from './queues.js'
import type { Before, Claim, LockAnswer, LockRequest } from './requests.js'
import type { LockSession } from './session.js'

/** Of one client. */
const MOST_LOCKS = 20_000
/** Each is compared with all others there. */
const MOST_OF_INODE = 10_000

/** All locks of one user's tree. */
export class UserLocks {
  readonly #shared: Shared
  readonly #clients: LockClients
  readonly #inodes = new Map<number, InodeLocks>()
  readonly #queues = new Queues()
  readonly #arrivals = new Arrivals()
  readonly #leases: LeasedDirectories
  /** Until when nobody gets a lock, for those who had some before the server started. */
  #graceUntil: number

  constructor(user: string, shared: Shared, before: Before) {
    const { connections, leases } = before
    this.#shared = shared
    this.#clients = new LockClients(user, shared, before)
    this.#leases = new LeasedDirectories(user, shared.records, leases)
    const { graceMilliseconds } = shared.times
    this.#graceUntil = connections.length > 0 ? shared.now() + graceMilliseconds : 0
  }

  get isEmpty(): boolean {
    return this.#inodes.size === 0 && this.#clients.isEmpty
  }

  /** @throws FileError ENOLCK beyond what one client may have */
  lock(connection: string, ino: number, asked: LockRequest): LockAnswer {
    if (this.#clients.mustClaim(connection)) return { state: 'unclaimed' }
    const session = this.#clients.of(connection)
    const inode = this.#inode(ino)
    // The answer was lost: it decides by itself, and had decided so.
    if (inode.delegated === session) {
      if (asked.lock.space === 'names') this.#leases.add(ino, connection)
      return { state: 'granted', delegated: true }
    }
    if (asked.lock.space === 'names') return this.#leased(inode, session)
    const { request, waits } = asked
    const lock = owned(connection, asked.lock)
    if (inode.held.covers(lock)) return this.#granted(inode, session, asked)
    const known = inode.queue.find((one) => one.session === session && one.request === request)
    // flock(2): converting is not atomic, "the existing lock is first removed".
    const converts = lock.space === 'flock' && known === undefined
    if (converts) session.held -= inode.held.clear(lock)
    const wanted = known ?? { session, request, lock, waits, isChecked: false }
    const decision = this.#decide(inode, wanted)
    if (decision === 'later') {
      if (known === undefined) this.#queues.add(inode, wanted)
      if (converts) this.#settle(inode)
      return { state: 'waiting' }
    }
    if (known !== undefined) this.#queues.remove(inode, known)
    if (decision.state === 'granted') return this.#granted(inode, session, asked)
    if (converts) this.#settle(inode)
    this.#tidy(session, inode)
    return decision
  }

  unlock(connection: string, ino: number, range: LockRange): void {
    const session = this.#clients.get(connection)
    const inode = this.#inodes.get(ino)
    if (session === undefined || inode === undefined) return
    session.held -= inode.held.clear(owned(connection, range))
    if (range.space === 'names') this.#leases.drop(ino)
    this.#settle(inode)
    this.#tidy(session, inode)
  }

  /** What keeps a client, or somebody without a connection, from bringing a name into a directory; it is asked to go. */
  leased(connection: string | undefined, directory: number): Promise<void> | undefined {
    const inode = this.#inodes.get(directory)
    const claimed = inode?.held.all().find(({ space }) => space === 'names')
    if (claimed !== undefined) {
      if (connection !== undefined && isOf(connection, claimed)) return undefined
      this.#revokeIfExpired(connectionOf(claimed))
      return this.#arrivals.news(directory)
    }
    if (this.#isUnclaimed(directory, connection)) return this.#arrivals.news(directory)
    const holder = inode?.delegated
    if (inode === undefined || holder === undefined || holder.connection === connection) return
    this.#recall(inode, holder, this.#shared.times.leaseMilliseconds)
    return inode.delegated === undefined ? undefined : this.#arrivals.news(directory)
  }

  /** The lock that keeps another from being had (F_GETLK); `unknown` while somebody else decides alone. */
  test(connection: string, ino: number, lock: Lock): Lock | 'none' | 'unknown' {
    const inode = this.#inodes.get(ino)
    if (inode === undefined) return 'none'
    if (inode.delegated !== undefined && inode.delegated.connection !== connection) {
      this.#recall(inode, inode.delegated)
      if (inode.delegated !== undefined) return 'unknown'
    }
    const first = inode.held.conflict(owned(connection, lock))
    if (first === undefined) return 'none'
    return { ...first, owner: '', pid: isOf(connection, first) ? first.pid : 0 }
  }

  /** @returns false if it was decided before: then the request, asked again, says how */
  cancel(connection: string, ino: number, request: string): boolean {
    const inode = this.#inodes.get(ino)
    const waiting = inode?.queue.find(
      (one) => one.session.connection === connection && one.request === request,
    )
    if (inode === undefined || waiting === undefined) return false
    this.#queues.remove(inode, waiting)
    this.#settle(inode)
    this.#tidy(waiting.session, inode)
    return true
  }

  /** The client no longer decides alone; these are the locks its programs hold. */
  giveBack(connection: string, ino: number, locks: readonly Lock[]): void {
    const session = this.#clients.get(connection)
    const inode = this.#inodes.get(ino)
    if (session === undefined || inode === undefined || inode.delegated !== session) return
    this.#takeBack(inode)
    for (const lock of locks) session.held += inode.held.set(owned(connection, lock))
    this.#settle(inode)
    this.#tidy(session, inode)
  }

  /** The client is there. @returns what it is to give back; or that the server no longer knows what it holds */
  renew(connection: string): { state: 'held'; recalls: number[] } | { state: 'unclaimed' } {
    if (this.#clients.mustClaim(connection)) return { state: 'unclaimed' }
    const session = this.#clients.get(connection)
    if (session === undefined) return { state: 'held', recalls: [] }
    this.#clients.extend(session)
    return { state: 'held', recalls: this.#recallsOf(session) }
  }

  leaseLeft(connection: string): number {
    return this.#clients.leaseLeft(connection)
  }

  /** What a client held that the server no longer knows; `isLast`: that is all. @returns the inodes whose locks are lost */
  claim(connection: string, claims: readonly Claim[], isLast: boolean): number[] {
    const mayClaim = this.#clients.mayClaim(connection)
    const has = (claim: Claim) =>
      mayClaim ? this.#claimed(connection, claim) : this.#stillHeld(connection, claim)
    const lost = claims.filter((claim) => !has(claim)).map(({ ino }) => ino)
    if (isLast) this.#hasClaimed(connection)
    if (this.#clients.haveAllClaimed) this.#endGrace()
    return lost
  }

  /** The client is done with locks. */
  end(connection: string): void {
    const session = this.#clients.get(connection)
    this.#clients.drop(connection)
    this.#leases.dropWhere((holder) => holder === connection)
    if (session !== undefined) this.#takeAll(session)
    if (this.#clients.haveAllClaimed) this.#endGrace()
  }

  /** @throws FileError ESTALE for who held a lock, lost it to somebody else, and does not know yet */
  refuseFenced(connection: string, ino: number): void {
    if (!this.#clients.isFenced(connection, ino)) return
    throw new FileError('ESTALE', 'the lock under which this was written went to another client')
  }

  /** What a client that listens again may have missed. */
  recallsOf(connection: string): number[] {
    const session = this.#clients.get(connection)
    return session === undefined ? [] : this.#recallsOf(session)
  }

  /** The server is about to stop. */
  stop(): void {
    this.#arrivals.stop()
  }

  /** Time has passed: leases, recalls and the grace period end. */
  tick(): void {
    this.#arrivals.lookAll()
    if (!this.#isGrace && this.#graceUntil > 0) this.#endGrace()
    for (const session of this.#clients.longGone()) this.#revoke(session)
    this.#clients.dropIdle()
    for (const inode of [...this.#inodes.values()]) this.#settle(inode)
  }

  /** Claimed twice, or needlessly. Without locks it is the right to decide that was had. */
  #stillHeld(connection: string, { ino, locks }: Claim): boolean {
    const inode = this.#inodes.get(ino)
    if (inode === undefined) return false
    if (locks.length === 0) return inode.delegated?.connection === connection
    this.giveBack(connection, ino, locks)
    return locks.every((lock) => inode.held.covers(owned(connection, lock)))
  }

  #claimed(connection: string, { ino, locks }: Claim): boolean {
    const session = this.#clients.of(connection)
    const inode = this.#inode(ino)
    const claimed = locks.map((lock) => owned(connection, lock))
    const isFree = claimed.every((lock) => inode.held.conflict(lock) === undefined)
    session.inodes.add(ino)
    for (const lock of isFree ? claimed : []) {
      session.held += inode.held.set(lock)
      if (lock.space === 'names') this.#leases.add(ino, connection)
    }
    this.#tidy(session, inode)
    return isFree
  }

  #hasClaimed(connection: string): void {
    this.#clients.hasClaimed(connection)
    const isHeld = (ino: number) => this.#inodes.get(ino)?.isEmpty === false
    this.#leases.dropWhere((holder, ino) => holder === connection && !isHeld(ino))
    this.#arrivals.lookAll()
  }

  /** Which names its client gave in a directory before the server started is not known yet. */
  #isUnclaimed(directory: number, asker: string | undefined): boolean {
    const holder = this.#isGrace ? this.#leases.holder(directory) : undefined
    return holder !== undefined && holder !== asker && this.#clients.mayClaim(holder)
  }

  /** The server decides again. */
  #takeBack(inode: InodeLocks): void {
    inode.delegated?.recalled.delete(inode.ino)
    inode.delegated = undefined
    this.#leases.drop(inode.ino)
  }

  #inode(ino: number): InodeLocks {
    const known = this.#inodes.get(ino)
    if (known !== undefined) return known
    const inode = new InodeLocks(ino)
    this.#inodes.set(ino, inode)
    return inode
  }

  /** Grants, refuses, or cannot do either yet. */
  #decide(inode: InodeLocks, wanted: Waiting): Decision | 'later' {
    const { session, lock } = wanted
    if (this.#isGrace) return 'later'
    if (inode.delegated !== undefined) {
      this.#recall(inode, inode.delegated)
      if (inode.delegated !== undefined) return 'later'
    }
    if (this.#isBlocked(inode, wanted)) {
      if (!wanted.waits) return { state: 'refused', code: 'EAGAIN' }
      if (lock.space !== 'posix' || wanted.isChecked) return 'later'
      wanted.isChecked = true
      return this.#queues.isDeadlock(inode, wanted)
        ? { state: 'refused', code: 'EDEADLK' }
        : 'later'
    }
    const isFull = session.held >= MOST_LOCKS || inode.held.size >= MOST_OF_INODE
    if (isFull || session.inodes.size >= MOST_INODES) {
      return { state: 'refused', code: 'ENOLCK' }
    }
    this.#clients.taken(inode.ino)
    session.held += inode.held.set(lock)
    session.inodes.add(inode.ino)
    return { state: 'granted' }
  }

  /** Whoever is in the way, and has not been heard of for too long, goes; but not for its own sake: it would go on to get the lock. */
  #isBlocked(inode: InodeLocks, wanted: Waiting): boolean {
    for (let lock = inode.blocker(wanted); lock !== undefined; lock = inode.blocker(wanted)) {
      const isOwn = isOf(wanted.session.connection, lock)
      if (isOwn || !this.#revokeIfExpired(connectionOf(lock))) return true
    }
    return false
  }

  get #isGrace(): boolean {
    return this.#graceUntil > this.#shared.now()
  }

  #endGrace(): void {
    if (this.#graceUntil === 0) return
    this.#graceUntil = 0
    this.#leases.dropWhere((holder) => this.#clients.get(holder) === undefined)
    this.#arrivals.lookAll()
    for (const inode of [...this.#inodes.values()]) this.#settle(inode)
  }

  /** Lets the client decide for itself, if nobody else wants anything of the inode and it can be told when that changes. */
  #granted(
    inode: InodeLocks,
    session: LockSession,
    { delegable }: Pick<LockRequest, 'delegable'>,
  ): LockAnswer {
    if (!delegable || !this.#mayDecide(inode, session))
      return { state: 'granted', delegated: false }
    session.held -= inode.held.drop(() => true)
    inode.delegated = session
    inode.recalledAt = undefined
    return { state: 'granted', delegated: true }
  }

  #mayDecide(inode: InodeLocks, session: LockSession): boolean {
    const isAlone = !this.#isContended(inode) && inode.isOnlyOf(session)
    return isAlone && this.#shared.mailboxes.has(session)
  }

  /** Lets a client alone give the names of a directory, if nobody else has to do with it or is about to. */
  #leased(inode: InodeLocks, session: LockSession): LockAnswer {
    const isFree = inode.delegated === undefined && !this.#arrivals.isAwaited(inode.ino)
    const hasRoom = session.inodes.size < MOST_INODES
    const mayHave = !this.#isGrace && isFree && hasRoom
    if (!mayHave || !this.#mayDecide(inode, session)) {
      this.#tidy(session, inode)
      return { state: 'refused', code: 'EAGAIN' }
    }
    this.#leases.add(inode.ino, session.connection) // first: it may fail
    this.#clients.taken(inode.ino)
    const answer = this.#granted(inode, session, { delegable: true })
    session.inodes.add(inode.ino)
    this.#tidy(session, inode)
    return answer
  }

  #recall(
    inode: InodeLocks,
    session: LockSession,
    patience = this.#shared.times.recallMilliseconds,
  ): void {
    const { now, mailboxes } = this.#shared
    if (inode.recalledAt === undefined) {
      inode.recalledAt = now()
      mailboxes.post(session, { kind: 'recall', ino: inode.ino })
    }
    const { recalled } = session
    const until = inode.recalledAt + patience
    recalled.set(inode.ino, Math.min(until, recalled.get(inode.ino) ?? until))
    this.#revokeIfExpired(session.connection)
  }

  #recallsOf(session: LockSession): number[] {
    return [...session.inodes].filter((ino) => {
      const inode = this.#inodes.get(ino)
      return inode?.delegated === session && inode.recalledAt !== undefined
    })
  }

  /** Something went: who waits may have come to their turn. */
  #settle(inode: InodeLocks): void {
    this.#arrivals.look(inode.ino)
    for (const wanted of [...inode.queue]) {
      if (!inode.queue.includes(wanted)) continue
      const decision = this.#decide(inode, wanted)
      if (decision === 'later') continue
      this.#queues.remove(inode, wanted)
      const { session, request } = wanted
      this.#shared.mailboxes.post(session, { kind: 'lock', request, decision })
      this.#tidy(session, inode)
    }
    if (inode.isEmpty && !this.#isContended(inode)) this.#inodes.delete(inode.ino)
  }

  /** What was recalled a moment ago is remembered for as long as that says something. */
  #isContended({ recalledAt }: InodeLocks): boolean {
    const { now, times } = this.#shared
    return recalledAt !== undefined && now() - recalledAt < times.contendedMilliseconds
  }

  /** A session's inodes are those it has to do with. */
  #tidy(session: LockSession, inode: InodeLocks): void {
    if (!inode.isUsedBy(session)) session.inodes.delete(inode.ino)
    if (inode.isEmpty && !this.#isContended(inode)) this.#inodes.delete(inode.ino)
  }

  #revokeIfExpired(connection: string): boolean {
    const session = this.#clients.get(connection)
    if (session === undefined || !this.#clients.isExpired(session)) return false
    this.#revoke(session)
    return true
  }

  /** Takes everything from a client that is gone, and keeps it from writing where it had locks until it has heard of it. */
  #revoke(session: LockSession): void {
    this.#clients.revoked(session.connection, new Set(session.inodes))
    this.#leases.dropWhere((holder) => holder === session.connection)
    this.#takeAll(session)
  }

  #takeAll(session: LockSession): void {
    for (const ino of session.inodes) {
      const inode = this.#inodes.get(ino)
      if (inode === undefined) continue
      if (inode.delegated === session) this.#takeBack(inode)
      const waiting = inode.queue.filter((wanted) => wanted.session === session)
      for (const wanted of waiting) this.#queues.remove(inode, wanted)
      inode.held.drop((lock) => isOf(session.connection, lock))
      // Not now: this may come in the midst of a decision about the same inode.
      queueMicrotask(() => this.#settle(inode))
    }
  }
}
