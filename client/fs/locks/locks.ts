import {
  LOCK_END,
  type Lock,
  type LockRange,
  type WireLockAnswer,
} from '../../../server/wire/locks.js'
import { dropOldest } from '../../drop-oldest.js'
import type { Context, Handle } from '../../fuse/filesystem.js'
import { type Soon, when } from '../../fuse/soon.js'
import { refusal } from '../answer.js'
import type { KnownNode } from '../content/nodes.js'
import { Decisions } from './decisions.js'
import { LockRenewal } from './lock-renewal.js'
import {
  gaps,
  type LockedInode,
  lockOf,
  MOST_DELEGATED_LOCKS,
  NAMES,
  rangeOf,
} from './locked-inode.js'
import { LockedInodes } from './locked-inodes.js'
import type { LocksMount } from './locks-mount.js'
import { LostLocks } from './lost-locks.js'
import { OwedUnlocks } from './owed-unlocks.js'
import { WishedLock } from './wished-lock.js'

/** Inodes of which the server may be about to say that we decide, though it wants that back already. */
const MOST_RECALLED = 1_000
const TEST_AGAIN_MILLISECONDS = 50

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
  readonly #inodes = new LockedInodes((ino) => this.recalled(ino))
  readonly decisions = new Decisions()
  readonly #lostLocks = new LostLocks()
  readonly #owed: OwedUnlocks
  /** Of these the answer may be on its way that gives them to us. */
  readonly #recalledUnknown = new Set<number>()
  readonly #renewal: LockRenewal
  #requests = 0

  constructor(mount: LocksMount) {
    this.#mount = mount
    this.#owed = new OwedUnlocks(mount.remote)
    this.#renewal = new LockRenewal(mount, this.#inodes, this.#owed, {
      sent: (inode) => this.#sent(inode),
      lost: (inode) => this.#lost(inode),
      recalled: (ino) => this.recalled(ino),
    })
  }

  /**
   * What is decided here is so when this returns.
   * @param known the version of which everything is known: then nothing need be told if that is the one that is locked
   * @throws RemoteError EAGAIN, EDEADLK, ENOLCK, and EINTR once the caller is interrupted
   */
  lock(
    node: KnownNode,
    handle: Handle,
    lock: Lock,
    way: 'at once' | 'waiting',
    caller: Pick<Context, 'signal'>,
    known?: number,
  ): Soon<void> {
    this.refuseLost(handle)
    const inode = this.#inodes.of(node)
    const waits = way === 'waiting'
    const here = inode.isQuiet ? this.#decideHere(inode, lock, { handle, waits }) : 'elsewhere'
    if (here === 'granted') return
    const request = `r${++this.#requests}`
    const wanted: Wanted = { ...lock, handle, request, waits, known }
    return this.#had(inode, wanted, here, caller)
  }

  async #had(
    inode: LockedInode,
    wanted: Wanted,
    here: 'EAGAIN' | 'elsewhere',
    caller: Pick<Context, 'signal'>,
  ): Promise<void> {
    try {
      const decision =
        here === 'elsewhere'
          ? await inode.undecided(() => this.#decided(inode, wanted, caller))
          : here
      if (decision !== 'granted') throw refusal(decision, 'the lock cannot be had')
    } catch (error) {
      this.#inodes.forgetUnused(inode)
      throw error
    }
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
    if (lease.isUnknown || this.#renewal.claims.areUnderWay) return undefined
    const request = `r${++this.#requests}`
    return new WishedLock(
      { request, lock },
      { start: lease.start(), claims: this.#renewal.claims.count },
    )
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
    if (this.#renewal.claims.count !== wish.claims || this.#inodes.has(node.ino)) return 'unknown'
    const outcome = wish.outcome(version)
    if (outcome !== 'granted') return outcome
    this.#renewal.begun()
    this.#mount.lease.renewed(wish.start, wish.lease)
    const inode = this.#inodes.of(node)
    inode.isDelegated = true
    inode.set(wish.lock, handle)
    return 'granted'
  }

  unlock(node: KnownNode, range: LockRange): Soon<void> {
    const inode = this.#inodes.get(node.ino)
    if (inode === undefined) return
    if (inode.isQuiet && !inode.has(range)) return
    const cleared =
      inode.isQuiet && inode.isDelegated
        ? inode.clear(range)
        : inode.inTurn(() => this.#unlocked(inode, rangeOf(range)))
    return when(cleared, () => this.#inodes.forgetUnused(inode))
  }

  /** What keeps a lock from being had, if anything (F_GETLK). */
  async test(
    node: KnownNode,
    lock: Lock,
    caller: Pick<Context, 'signal'>,
  ): Promise<Lock | undefined> {
    const inode = this.#inodes.get(node.ino)
    if (inode?.isDelegated === true && this.#mount.lease.isValid) {
      return inode.held.conflict(lock)
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
    this.#lostLocks.closed(handle)
    const ranges = this.#inodes.get(node.ino)?.ownedThrough(handle) ?? []
    // All of it in one step: who locks next is served before anything that is waited for.
    await Promise.all(ranges.map((range) => this.unlock(node, range)))
  }

  /** Whether a program has a lock of this file, so that it matters when one of its descriptors is closed. */
  areThere(ino: number): boolean {
    return (this.#inodes.get(ino)?.held.size ?? 0) > 0
  }

  /** Whether closing an open file has to do with locks. */
  concern(ino: number, handle: Handle): boolean {
    return this.#inodes.has(ino) || this.#lostLocks.has(handle)
  }

  /** Whether the names of a directory are for us alone to give, just now. */
  hasNames(directory: number): boolean {
    const inode = this.#inodes.get(directory)
    if (inode?.isDelegated !== true || !inode.isQuiet) return false
    return this.#mount.lease.isValid && inode.has(NAMES)
  }

  /** The stream of changes is back, perhaps that of a server that has started again. */
  reconnected(): void {
    this.decisions.mayBeMade()
    this.#renewal.reconnected()
  }

  /** @throws RemoteError EIO for an open file whose locks went to somebody else */
  refuseLost(handle: Handle): void {
    this.#lostLocks.refuse(handle)
  }

  /** Whether a file is still open that has lost its locks. */
  areLost(ino: number): boolean {
    return this.#lostLocks.areOf(ino)
  }

  /**
   * To be called with what has been heard of an inode: it may be newer than the locks that programs here believe to have of it. If
   * these may have gone to others by now, the server is asked.
   * @returns undefined if nothing is in doubt
   */
  upheld(ino: number): Promise<void> | undefined {
    if (!this.areThere(ino) || this.#mount.lease.isValid || this.#mount.isAway()) return undefined
    return this.#renewal.now()
  }

  /**
   * To be called before something is sent that was written to an inode: if the locks under which it was, or the right to decide about
   * them, may have gone to others by now, the server is asked. Without that it would refuse all.
   */
  beforeSending(ino: number): Promise<void> | undefined {
    return !this.#inodes.has(ino) || this.#mount.lease.isValid ? undefined : this.#renewal.now()
  }

  /** Somebody else wants a lock of a file about which we decide. */
  recalled(ino: number): void {
    const inode = this.#inodes.get(ino)
    if (inode === undefined) {
      this.#recalledUnknown.add(ino)
      dropOldest(this.#recalledUnknown, MOST_RECALLED)
    }
    const given =
      inode === undefined
        ? this.#mount.remote.giveBack(ino, [])
        : inode.inTurn(() => this.#giveBack(inode))
    given.then(
      () => inode !== undefined && this.#inodes.forgetUnused(inode),
      (error: unknown) => this.#mount.log(`the locks of inode ${ino} were not given back`, error),
    )
  }

  /** The mount is gone. */
  end(): void {
    this.#renewal.end()
  }

  #decideHere(
    inode: LockedInode,
    lock: Lock,
    { handle, waits }: Pick<Wanted, 'handle' | 'waits'>,
  ): 'granted' | 'EAGAIN' | 'elsewhere' {
    if (!inode.isDelegated || !this.#mount.lease.isValid) return 'elsewhere'
    if (inode.held.size >= MOST_DELEGATED_LOCKS) return 'elsewhere'
    // flock(2): what is converted is let go first.
    if (lock.space === 'flock') inode.clear(lock)
    if (inode.held.conflict(lock) === undefined) {
      inode.set(lockOf(lock), handle)
      return 'granted'
    }
    return waits ? 'elsewhere' : 'EAGAIN'
  }

  async #ask(inode: LockedInode, wanted: Wanted): Promise<Decision> {
    const { lease } = this.#mount
    const here = this.#decideHere(inode, wanted, wanted)
    if (here !== 'elsewhere') return here
    // The right may be gone: then what is unsent is not to be sent without a look.
    if (inode.isDelegated && !lease.isValid) await this.#renewal.now()
    if (inode.isDelegated) await this.#giveBack(inode)
    await this.#sent(inode)
    if (lease.isUnknown) await this.#renewal.now()
    if (!this.#owed.isEmpty) await this.#owed.tell(inode.node.ino)
    for (;;) {
      this.refuseLost(wanted.handle)
      let before: readonly Lock[] = []
      const answer = await inode.exchange(() => {
        // flock(2): what is converted is let go first.
        if (wanted.space !== 'flock') before = inode.within(wanted)
        return this.#asked(inode, wanted)
      })
      if (answer.state === 'unclaimed') {
        await this.#renewal.now()
        continue
      }
      if (answer.state === 'waiting') return 'waiting'
      if (answer.state === 'refused') return answer.code
      if (answer.state !== 'granted') throw refusal('EIO', 'the answer to a lock makes no sense')
      const isKnown = wanted.known !== undefined && wanted.known === answer.version
      const isOfNames = wanted.space === 'names'
      try {
        if (!isKnown) await this.#mount[isOfNames ? 'told' : 'upTo'](answer.newest)
      } catch (error) {
        await this.#takeBack(inode, wanted, before)
        throw error
      }
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
    this.#renewal.begun()
    if (wanted.space === 'flock') inode.clear(lock)
    if (answer.state !== 'granted') return answer
    lease.renewed(start, answer.lease)
    inode.isDelegated = answer.delegated
    const isOurs = !answer.delegated || inode.held.conflict(lock) === undefined
    if (isOurs) inode.set(lock, wanted.handle)
    return answer
  }

  /** A lock that was granted is of no use to its program, which has what it had before. */
  async #takeBack(inode: LockedInode, wanted: Wanted, before: readonly Lock[]): Promise<void> {
    const { ino } = inode.node
    await inode.exchange(async () => {
      inode.clear(wanted)
      for (const lock of before) inode.set(lock, wanted.handle)
      if (inode.isDelegated) return
      // First what stays, so that nobody gets in between.
      for (const lock of before) await this.#tellWeaker(ino, lock)
      for (const range of gaps(wanted, before)) await this.#tellUnlocked(ino, range)
    })
  }

  /** A lock in place of a stronger one, which is in nobody's way. */
  async #tellWeaker(ino: number, lock: Lock): Promise<void> {
    const request = `r${++this.#requests}`
    const asked = this.#mount.remote.lock(ino, { request, lock, wait: false, delegable: false })
    await asked.catch((error: unknown) =>
      this.#mount.log(`the server did not hear that inode ${ino} is locked less`, error),
    )
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

  async #lost(inode: LockedInode): Promise<void> {
    this.#mount.log(
      `the locks of inode ${inode.node.ino} went to another machine while this one was away`,
    )
    inode.lose()
    const { node } = inode
    this.#lostLocks.add(this.#mount.openOf(node), node.ino)
    await this.#mount.lost(node)
  }
}
