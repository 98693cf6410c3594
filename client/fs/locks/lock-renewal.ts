import { LockClaims } from './lock-claims.js'
import type { LockedInode } from './locked-inode.js'
import type { LockedInodes } from './locked-inodes.js'
import type { LocksMount } from './locks-mount.js'
import type { OwedUnlocks } from './owed-unlocks.js'

/** Well within a lease. */
export const RENEW_MILLISECONDS = 4_000

interface Told {
  /** Sends what was written and not yet sent. */
  sent(inode: LockedInode): Promise<void>
  /** Its locks went to another machine. */
  lost(inode: LockedInode): Promise<void>
  /** Somebody else wants a lock of it. */
  recalled(ino: number): void
}

/**
 * Tells the server again and again that this mount is there, which keeps its locks. A server that has started again, or that took
 * everything for gone, is told what is held.
 */
export class LockRenewal {
  readonly claims: LockClaims
  readonly #mount: LocksMount
  readonly #inodes: LockedInodes
  readonly #owed: OwedUnlocks
  readonly #told: Told
  #timer: NodeJS.Timeout | undefined

  constructor(mount: LocksMount, inodes: LockedInodes, owed: OwedUnlocks, told: Told) {
    this.#mount = mount
    this.#inodes = inodes
    this.#owed = owed
    this.#told = told
    this.claims = new LockClaims(mount.remote, {
      inodes: () => inodes.all(),
      sent: (inode) => told.sent(inode),
      unsent: ({ node }) => mount.unsent(node),
      lost: (inode) => told.lost(inode),
    })
  }

  /** The server may have given something that is to be kept. */
  begun(): void {
    this.#timer ??= setInterval(() => {
      if (!this.#inodes.isEmpty || !this.#owed.isEmpty) this.#again()
    }, RENEW_MILLISECONDS).unref()
  }

  /** The server may be another one than before: then others wait until it has heard of us, even that we hold nothing. */
  reconnected(): void {
    if (this.#timer !== undefined) this.#again()
  }

  /** Resolves once it is known what is still held here; unlocks that are owed are nothing to wait for. */
  async now(): Promise<void> {
    const { remote, lease } = this.#mount
    const start = lease.start()
    const { state, milliseconds, run, recalls } = await remote.renew()
    if (state === 'unclaimed' || this.claims.isOther(run)) {
      await this.claims.claim(run)
      for (const inode of this.#inodes.all()) this.#inodes.forgetUnused(inode)
    }
    lease.renewed(start, milliseconds)
    for (const ino of recalls) this.#told.recalled(ino)
    this.#owed.tell().catch((error: unknown) => this.#failed(error))
  }

  /** The mount is gone. Its locks go once everything is sent, a journal, too. */
  end(): void {
    clearInterval(this.#timer)
  }

  #again(): void {
    this.now().catch((error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    this.#mount.log('no word of the locks', error)
  }
}
