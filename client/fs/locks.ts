import {
  LOCK_END,
  type Lock,
  type LockRange,
  type WireLockAnswer,
} from '../../server/wire-locks.js'
import { dropOldest } from '../drop-oldest.js'
import type { Context, Handle } from '../fuse/filesystem.js'
import { refusal } from './answer.js'
import { Decisions } from './decisions.js'
import { LockClaims } from './lock-claims.js'
import { LockedInode, lockOf, MOST_DELEGATED_LOCKS, NAMES, rangeOf } from './locked-inode.js'
import type { LocksMount } from './locks-mount.js'
import type { KnownNode } from './nodes.js'
import { OwedUnlocks } from './owed-unlocks.js'
import { WishedLock } from './wished-lock.js'

/** Files about which we decide ourselves; more are given back. */
const MOST_DELEGATIONS = 1_000
const TEST_AGAIN_MILLISECONDS = 50
const RENEW_MILLISECONDS = 4_000

type Wanted = Lock & {
  readonly handle: Handle
  readonly waits: boolean
  readonly request: string
  /** All is known of the inode as it was in this version. */
  readonly known: number | undefined
}
type Decision = 'granted' | 'waiting' | 'EAGAIN' | 'EDEADLK' | 'ENOLCK'

/**
 * Locks of fcntl(2) and flock(2), held by the server for all machines. Where nobody else wants a file it lets us decide, until it
 * recalls that: then a lock costs no request. Who has to wait always waits at the server, which knows everybody.
 *
 * Before a lock goes out of our hands what was written under it is sent; a lock that comes in makes what is cached as new as itself.
 */
export class MountLocks {
  readonly #mount: LocksMount
  readonly #inodes = new Map<number, LockedInode>()
  readonly decisions = new Decisions()
  /** Open files whose locks went to somebody else, and of which inode. */
  readonly #lostHandles = new Map<Handle, number>()
  readonly #owed: OwedUnlocks
  /** Of these the answer may be on its way that gives them to us. */
  readonly #recalledUnknown = new Set<number>()
  readonly #claims: LockClaims
  #requests = 0
  #renewal: NodeJS.Timeout | undefined

  constructor(mount: LocksMount) {
    this.#mount = mount
    this.#owed = new OwedUnlocks(mount.remote)
    this.#claims = new LockClaims(mount.remote, {
      inodes: () => [...this.#inodes.values()],
      sent: (inode) => this.#sent(inode),
      unsent: ({ node }) => this.#mount.unsent(node),
      lost: (inode) => this.#lost(inode),
    })
  }

  /**
   * @param known the version of which everything is known: then nothing need be told if that is the one that is locked
   * @throws RemoteError EAGAIN, EDEADLK, ENOLCK, and EINTR once the caller is interrupted
   */
  async lock(
    node: KnownNode,
    handle: Handle,
    lock: Lock,
    way: 'at once' | 'waiting',
    caller: Pick<Context, 'signal'>,
    known?: number,
  ): Promise<void> {
    const inode = this.#inode(node)
    const request = `r${++this.#requests}`
    const wanted: Wanted = { ...lock, handle, request, waits: way === 'waiting', known }
    const here = inode.isQuiet ? this.#decideHere(inode, wanted) : 'elsewhere'
    if (here === 'granted') return
    const decision =
      here === 'elsewhere'
        ? await inode.undecided(() => this.#decided(inode, wanted, caller))
        : here
    if (decision === 'granted') return
    this.#forgetUnused(inode)
    throw refusal(decision, 'the lock cannot be had')
  }

  async #decided(
    inode: LockedInode,
    wanted: Wanted,
    { signal }: Pick<Context, 'signal'>,
  ): Promise<Exclude<Decision, 'waiting'> | 'EINTR'> {
    for (;;) {
      const decision = await inode.inTurn(() => this.#ask(inode, wanted))
      if (decision !== 'waiting') return decision
      await this.decisions.about(wanted.request, signal)
      if (signal.aborted && (await this.#isCancelled(inode.node.ino, wanted.request))) {
        return 'EINTR'
      }
    }
  }

  /** A lock to be asked for with something new; undefined where the server must be told other things first. */
  wish(lock: Lock): WishedLock | undefined {
    const { lease } = this.#mount
    if (lease.isUnknown || this.#claims.areUnderWay) return undefined
    const request = `r${++this.#requests}`
    return new WishedLock({ request, lock }, { start: lease.start(), claims: this.#claims.count })
  }

  /** What was wished has been made, in that version. `unknown`: it may be ours, and is to be asked for. */
  fulfil(
    node: KnownNode,
    handle: Handle,
    wish: WishedLock,
    version: number,
  ): 'granted' | 'refused' | 'unknown' {
    // Others wanted it before we heard that we have it: it was given back.
    if (this.#recalledUnknown.delete(node.ino)) return 'refused'
    // The server that granted it may be gone, or may have taken it away, and what we hold was told to it without this.
    if (this.#claims.count !== wish.claims || this.#inodes.has(node.ino)) return 'unknown'
    const outcome = wish.outcome(version)
    if (outcome !== 'granted') return outcome
    this.#mount.lease.renewed(wish.start)
    this.#keepRenewing()
    const inode = this.#inode(node)
    inode.isDelegated = true
    inode.set(wish.lock, handle)
    return 'granted'
  }

  async unlock(node: KnownNode, range: LockRange): Promise<void> {
    const inode = this.#inodes.get(node.ino)
    if (inode === undefined) return
    if (inode.isQuiet && !inode.has(range)) return
    if (inode.isQuiet && inode.isDelegated) inode.clear(range)
    else await inode.inTurn(() => this.#unlocked(inode, rangeOf(range)))
    this.#forgetUnused(inode)
  }

  /** What keeps a lock from being had, if anything (F_GETLK). */
  async test(
    node: KnownNode,
    lock: Lock,
    caller: Pick<Context, 'signal'>,
  ): Promise<Lock | undefined> {
    const inode = this.#inodes.get(node.ino)
    if (inode?.isDelegated === true && this.#mount.lease.isValid) {
      return inode.held.conflicts(lock)[0]
    }
    for (;;) {
      const answer = await this.#mount.remote.test(node.ino, lock)
      if (answer.state === 'held') return answer.lock
      if (answer.state !== 'waiting') return undefined
      if (caller.signal.aborted) throw refusal('EINTR', 'interrupted')
      await new Promise((resolve) => setTimeout(resolve, TEST_AGAIN_MILLISECONDS))
    }
  }

  /** close(2) of any of a process's descriptors ends all its locks of fcntl(2) on the file. */
  async closed(node: KnownNode, owner: string): Promise<void> {
    if (!this.#inodes.has(node.ino)) return
    await this.unlock(node, { space: 'posix', owner, start: 0, end: LOCK_END })
  }

  /** The last descriptor of an open file is gone, and with it what was locked through it. */
  async released(node: KnownNode, handle: Handle): Promise<void> {
    this.#lostHandles.delete(handle)
    for (const lock of this.#inodes.get(node.ino)?.heldThrough(handle) ?? []) {
      await this.unlock(node, lock)
    }
  }

  /** Whether a program has a lock of this file, so that it matters when one of its descriptors is closed. */
  areThere(ino: number): boolean {
    return (this.#inodes.get(ino)?.held.size ?? 0) > 0
  }

  /** Whether closing an open file has to do with locks. */
  concern(ino: number, handle: Handle): boolean {
    return this.#inodes.has(ino) || this.#lostHandles.has(handle)
  }

  /** Whether the names of a directory are for us alone to give, just now. */
  hasNames(directory: number): boolean {
    const inode = this.#inodes.get(directory)
    if (inode?.isDelegated !== true || !inode.isQuiet) return false
    return this.#mount.lease.isValid && inode.has(NAMES)
  }

  /** The server may be another one than before: then others wait until it has heard of us, even that we hold nothing. */
  reconnected(): void {
    this.decisions.mayBeMade()
    if (this.#renewal === undefined) return
    this.#renew().catch((error: unknown) => this.#mount.log('no word of the locks', error))
  }

  /** @throws RemoteError EIO for an open file whose locks went to somebody else */
  refuseLost(handle: Handle): void {
    if (this.#lostHandles.size === 0 || !this.#lostHandles.has(handle)) return
    throw refusal('EIO', 'the locks on this file were lost; close it and open it again')
  }

  /** Whether a file is still open that has lost its locks. */
  areLost(ino: number): boolean {
    if (this.#lostHandles.size === 0) return false
    return [...this.#lostHandles.values()].includes(ino)
  }

  /**
   * To be called with what has been heard of an inode: it may be newer than the locks that programs here believe to have of it. If
   * these may have gone to others by now, the server is asked.
   * @returns undefined if nothing is in doubt
   */
  upheld(ino: number): Promise<void> | undefined {
    if (!this.areThere(ino) || this.#mount.lease.isValid || this.#mount.isAway()) return undefined
    return this.#renew()
  }

  /**
   * To be called before something is sent that was written to an inode: if the locks under which it was, or the right to decide about
   * them, may have gone to others by now, the server is asked. Without that it would refuse all.
   */
  beforeSending(ino: number): Promise<void> | undefined {
    return !this.#inodes.has(ino) || this.#mount.lease.isValid ? undefined : this.#renew()
  }

  /** Somebody else wants a lock of a file about which we decide. */
  recalled(ino: number): void {
    const inode = this.#inodes.get(ino)
    if (inode === undefined) {
      this.#recalledUnknown.add(ino)
      dropOldest(this.#recalledUnknown, MOST_DELEGATIONS)
    }
    const given =
      inode === undefined
        ? this.#mount.remote.giveBack(ino, [])
        : inode.inTurn(() => this.#giveBack(inode))
    given.then(
      () => inode !== undefined && this.#forgetUnused(inode),
      (error: unknown) => this.#mount.log(`the locks of inode ${ino} were not given back`, error),
    )
  }

  /** The mount is gone, and everything is sent. */
  async end(): Promise<void> {
    clearInterval(this.#renewal)
    if (this.#renewal === undefined) return
    await this.#mount.remote.end().catch(() => {})
  }

  #inode(node: KnownNode): LockedInode {
    const known = this.#inodes.get(node.ino)
    if (known !== undefined) {
      // The one used last comes last.
      this.#inodes.delete(node.ino)
      this.#inodes.set(node.ino, known)
      return known
    }
    const inode = new LockedInode(node)
    this.#inodes.set(node.ino, inode)
    if (this.#inodes.size > MOST_DELEGATIONS) this.#giveBackOldest()
    return inode
  }

  #forgetUnused(inode: LockedInode): void {
    const { ino } = inode.node
    if (inode.isUnused && this.#inodes.get(ino) === inode) this.#inodes.delete(ino)
  }

  #giveBackOldest(): void {
    for (const [ino, inode] of this.#inodes) {
      if (!inode.isDelegated || inode.held.size > 0 || !inode.isQuiet) continue
      this.recalled(ino)
      return
    }
  }

  #decideHere(inode: LockedInode, wanted: Wanted): 'granted' | 'EAGAIN' | 'elsewhere' {
    if (!inode.isDelegated || !this.#mount.lease.isValid) return 'elsewhere'
    if (inode.held.size >= MOST_DELEGATED_LOCKS) return 'elsewhere'
    // flock(2): what is converted is let go first.
    if (wanted.space === 'flock') inode.clear(wanted)
    if (inode.held.conflicts(wanted).length === 0) {
      inode.set(lockOf(wanted), wanted.handle)
      return 'granted'
    }
    return wanted.waits ? 'elsewhere' : 'EAGAIN'
  }

  async #ask(inode: LockedInode, wanted: Wanted): Promise<Decision> {
    const { lease } = this.#mount
    const here = this.#decideHere(inode, wanted)
    if (here !== 'elsewhere') return here
    // The right may be gone: then what is unsent is not to be sent without a look.
    if (inode.isDelegated && !lease.isValid) await this.#renew()
    if (inode.isDelegated) await this.#giveBack(inode)
    await this.#sent(inode)
    if (lease.isUnknown) await this.#renew()
    if (!this.#owed.isEmpty) await this.#owed.tell(inode.node.ino)
    for (;;) {
      const answer = await inode.exchange(() => this.#asked(inode, wanted))
      if (answer.state === 'unclaimed') {
        await this.#renew()
        continue
      }
      if (answer.state === 'waiting') return 'waiting'
      if (answer.state === 'refused') return answer.code
      if (answer.state !== 'granted') throw refusal('EIO', 'the answer to a lock makes no sense')
      const isKnown = wanted.known !== undefined && wanted.known === answer.version
      const isOfNames = wanted.space === 'names'
      if (!isKnown) await this.#mount[isOfNames ? 'told' : 'upTo'](answer.newest)
      // An answer that came twice: we had been let decide before, and others here have locks since.
      if (!inode.held.covers(wanted)) return this.#ask(inode, wanted)
      return 'granted'
    }
  }

  /** What is granted is noted at once: should the server start again, it is told of that, too. */
  async #asked(inode: LockedInode, wanted: Wanted): Promise<WireLockAnswer> {
    const { remote, lease } = this.#mount
    const { request, waits: wait } = wanted
    const delegable = inode.held.size < MOST_DELEGATED_LOCKS
    const lock = lockOf(wanted)
    const start = lease.start()
    const answer = await remote.lock(inode.node.ino, { request, lock, wait, delegable })
    if (answer.state === 'unclaimed') return answer
    lease.renewed(start)
    this.#keepRenewing()
    if (wanted.space === 'flock') inode.clear(lock)
    if (answer.state !== 'granted') return answer
    inode.isDelegated = answer.delegated
    const isOurs = !answer.delegated || inode.held.conflicts(lock).length === 0
    if (isOurs) inode.set(lock, wanted.handle)
    return answer
  }

  async #unlocked(inode: LockedInode, range: LockRange): Promise<void> {
    if (!inode.has(range)) return
    for (;;) {
      const isHere = inode.isDelegated
      if (!isHere) await this.#sent(inode)
      const isDone = await inode.exchange(async () => {
        if (isHere && !inode.isDelegated) return false
        // Before the server is told: should it ask what we hold meanwhile, this is no part of it.
        inode.clear(range)
        if (!inode.isDelegated) await this.#tellUnlocked(inode.node.ino, range)
        return true
      })
      if (isDone) return
    }
  }

  async #tellUnlocked(ino: number, range: LockRange): Promise<void> {
    await this.#mount.remote.unlock(ino, range).catch((error: unknown) => {
      this.#mount.log(`the server did not hear that inode ${ino} was unlocked`, error)
      this.#owed.owe({ ino, range })
    })
  }

  async #giveBack(inode: LockedInode): Promise<void> {
    await this.#sent(inode)
    await inode.exchange(async () => {
      inode.clear(NAMES)
      await this.#mount.remote.giveBack(inode.node.ino, inode.held.all())
      inode.isDelegated = false
    })
  }

  /** What cannot be sent stays with the file, and its close or fsync says so. */
  async #sent({ node }: LockedInode): Promise<void> {
    await this.#mount.flush(node).catch((error: unknown) => {
      this.#mount.log(`inode ${node.ino} was not sent before its locks changed`, error)
    })
  }

  async #isCancelled(ino: number, request: string): Promise<boolean> {
    return (await this.#mount.remote.cancel(ino, request)).state === 'cancelled'
  }

  #keepRenewing(): void {
    this.#renewal ??= setInterval(() => {
      if (this.#inodes.size === 0 && this.#owed.isEmpty) return
      this.#renew().catch((error: unknown) => this.#mount.log('no word of the locks', error))
    }, RENEW_MILLISECONDS).unref()
  }

  async #renew(): Promise<void> {
    const { remote, lease } = this.#mount
    const start = lease.start()
    const { state, milliseconds, run, recalls } = await remote.renew()
    if (state === 'unclaimed' || this.#claims.isOther(run)) {
      await this.#claims.claim(run)
      for (const inode of [...this.#inodes.values()]) this.#forgetUnused(inode)
    }
    lease.renewed(start, milliseconds)
    for (const ino of recalls) this.recalled(ino)
    await this.#owed.tell()
  }

  async #lost(inode: LockedInode): Promise<void> {
    this.#mount.log(
      `the locks of inode ${inode.node.ino} went to another machine while this one was away`,
    )
    inode.lose()
    const { node } = inode
    for (const handle of this.#mount.openOf(node)) this.#lostHandles.set(handle, node.ino)
    await this.#mount.lost(node)
  }
}
