import type { RemoteLocks } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import type { Content } from '../content/content.js'
import { type LockedInode, MOST_DELEGATED_LOCKS, NAMES } from './locked-inode.js'

/** What is held, and what is done about it. */
export interface Claimed {
  inodes(): readonly LockedInode[]
  /** Sends what is written and not yet on the server. */
  sent(inode: LockedInode): Promise<void>
  /** Its content, if some of it is written and not yet on the server. */
  unsent(inode: LockedInode): Pick<Content, 'isOvertaken'> | undefined
  /** Its locks went to others. */
  lost(inode: LockedInode): Promise<void>
}

/** A server that has started again, or that took everything for gone, is told what is held here, and says what others have. */
export class LockClaims {
  readonly #remote: Pick<RemoteLocks, 'claim' | 'renew' | 'test' | 'unlock'>
  readonly #claimed: Claimed
  /** The run of the server that knows what is held. */
  #run: string | undefined
  #count = 0
  #underWay: Promise<void> | undefined

  constructor(remote: Pick<RemoteLocks, 'claim' | 'renew' | 'test' | 'unlock'>, claimed: Claimed) {
    this.#remote = remote
    this.#claimed = claimed
  }

  /** How often there were claims. */
  get count(): number {
    return this.#count
  }

  get areUnderWay(): boolean {
    return this.#underWay !== undefined
  }

  /** Whether the server in that run has yet to be told. The first one knows all there is. */
  isOther(run: string): boolean {
    this.#run ??= run
    return this.#run !== run
  }

  /** @param run of the server. Should it start again meanwhile, everything is claimed from the next one. */
  claim(run: string): Promise<void> {
    this.#underWay ??= this.#claim(run).finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }

  async #claim(run: string): Promise<void> {
    try {
      await this.#claimAll(run)
    } catch (error) {
      const now = hasCode(error, 'ESTALE') ? (await this.#remote.renew()).run : run
      if (now === run) throw error
      return this.#claim(now)
    }
    this.#run = run
  }

  async #claimAll(run: string): Promise<void> {
    this.#count += 1
    const lost: LockedInode[] = []
    for (const inode of this.#claimed.inodes()) {
      const isLost = await inode.exchange(() => this.#isLost(inode, run))
      if (isLost) lost.push(inode)
    }
    // Until it has heard that we know, the server takes nothing for these files from us.
    for (const inode of lost) await this.#claimed.lost(inode)
    await this.#yieldNames()
    await this.#remote.claim([], { isLast: true, run })
  }

  async #isLost(inode: LockedInode, run: string): Promise<boolean> {
    const { ino } = inode.node
    const locks = inode.held.all()
    const isLetGo = inode.isDelegated && locks.length === 0
    inode.isDelegated = false
    if (isLetGo) return this.#isLateIn(inode, run)
    let isLost = false
    for (let at = 0; at < locks.length; at += MOST_DELEGATED_LOCKS) {
      const claim = { ino, locks: locks.slice(at, at + MOST_DELEGATED_LOCKS) }
      const lost = await this.#remote.claim([claim], { isLast: false, run })
      isLost ||= lost.length > 0
    }
    return isLost
  }

  /** What was written under a lock that was let go here, while we decided, may be unsent: it comes late once others have one. */
  async #isLateIn(inode: LockedInode, run: string): Promise<boolean> {
    const unsent = this.#claimed.unsent(inode)
    if (unsent === undefined) return false
    const { ino } = inode.node
    const lost = await this.#remote.claim([{ ino, locks: [] }], { isLast: false, run })
    if (lost.length === 0) return false
    for (const space of ['posix', 'flock'] as const) {
      const any = { ...NAMES, space, type: 'write', pid: 0 } as const
      if ((await this.#remote.test(ino, any)).state !== 'free') return true
    }
    return unsent.isOvertaken()
  }

  /** Names given here before the server started again are sent; then others may give some, too. */
  async #yieldNames(): Promise<void> {
    for (const inode of this.#claimed.inodes()) {
      if (!inode.has(NAMES)) continue
      await this.#claimed.sent(inode)
      await inode.exchange(async () => {
        inode.clear(NAMES)
        await this.#remote.unlock(inode.node.ino, NAMES)
      })
    }
  }
}
