import type { Kernel } from '../../fuse/filesystem.js'
import type { RemoteFiles, RemoteNews } from '../../remote/remote-files.js'
import { refusal } from '../answer.js'
import type { MountLocks } from '../locks/locks.js'
import { TakenBack, type TakenBackMount } from './taken-back.js'

/** An interruption shorter than this is made good by what the stream then tells. */
const GRACE_MILLISECONDS = 1000
/** How long a lock waits for the stream of changes to tell what happened before it. */
const NEWS_MILLISECONDS = 30_000

export interface CoherenceMount extends TakenBackMount {
  readonly files: RemoteFiles
  /** Lets the stream of changes come back at once. */
  hurry(): void
  readonly locks: MountLocks | undefined
  log(message: string, error?: unknown): void
}

/**
 * Keeps what this machine believes true: listens to what others change, and takes exactly that back from the cache and the
 * kernel. While it listens everything may be believed for long; when it cannot, nothing is for longer than the timeout.
 */
export class Coherence {
  readonly #mount: CoherenceMount
  readonly #kernel: Kernel
  readonly #takenBack: TakenBack
  readonly #stop = new AbortController()
  #grace: NodeJS.Timeout | undefined
  /** The stream was away, and has not told yet what others did meanwhile. */
  #isBehind = false
  /** The change that the stream, connected as it is, has not told for so long that it counts as away. */
  #owed: number | undefined
  /** Every change up to this number has been taken in; before the first stream none. */
  #told = -1
  readonly #waiting = new Set<() => void>()

  constructor(mount: CoherenceMount, kernel: Kernel) {
    this.#mount = mount
    this.#kernel = kernel
    this.#takenBack = new TakenBack(mount, kernel)
    void this.#listen()
  }

  /**
   * Resolves once nothing is believed, here or in the kernel, that this change or one before it made untrue.
   * @throws RemoteError ENOLCK if the stream of changes is not there to tell
   */
  async upTo(newest: number): Promise<void> {
    await this.told(newest)
    await this.#kernel.settled()
  }

  /** The same, of what is believed here alone. */
  async told(newest: number): Promise<void> {
    const isTold = () => this.#told >= newest && this.#mount.cache.isVouched
    if (!isTold()) await this.#until(isTold)
  }

  /**
   * Resolves once nothing is believed, here, and of attributes and pages in the kernel, that was untrue when it was called because the
   * stream is interrupted, or has not told yet what others did, up to this change. For a stream that was there just now it waits, at
   * most a second; where it is away for longer, or silent, nothing is believed any more of what was learned before.
   */
  async caughtUp(others = -1): Promise<void> {
    const isSilent = () => this.#told < others && this.#mount.cache.isVouched
    if (!this.#isBehind && isSilent()) await this.#heard(others)
    if (this.#isBehind && this.#grace !== undefined) {
      this.#mount.hurry()
      await this.#until(() => !this.#isBehind || this.#grace === undefined)
    }
    if (this.#isBehind) this.#takenBack.recent()
    await this.#kernel.inodesSettled()
  }

  /** The kernel is to ask again for what it was let believe of names in a directory: of these, or of all. */
  doubt(directory: number, names?: Iterable<string>): void {
    this.#takenBack.names(directory, names)
  }

  /** Resolves once the stream has told of this change, or counts as away because it does not. */
  async #heard(others: number): Promise<void> {
    const isSettled = () => this.#told >= others || this.#isBehind
    const timer = setTimeout(() => {
      if (isSettled()) return
      this.#owed = others
      this.#isAway()
      this.#forgetAll()
    }, GRACE_MILLISECONDS)
    await this.#until(isSettled)
    clearTimeout(timer)
  }

  stop(): void {
    this.#stop.abort()
    clearTimeout(this.#grace)
    this.#grace = undefined
    this.#look()
  }

  #until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      const look = () => {
        if (!isSo()) return
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        reject(refusal('ENOLCK', 'the stream of changes is not there: what is cached may be old'))
      }, NEWS_MILLISECONDS)
      this.#waiting.add(look)
    })
  }

  #isTold(upTo: number): void {
    this.#told = Math.max(this.#told, upTo)
    if (this.#owed !== undefined && this.#told >= this.#owed) {
      this.#owed = undefined
      this.#mount.cache.vouch()
      this.#hasCaughtUp()
    }
    this.#look()
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }

  async #listen(): Promise<void> {
    const { files, cache, log } = this.#mount
    try {
      for await (const news of files.changes?.(this.#stop.signal) ?? []) this.#take(news)
    } catch (error) {
      log('the stream of changes ended', error)
    }
    cache.suspend()
    this.#forgetAll()
    this.#hasCaughtUp()
  }

  #take(news: RemoteNews): void {
    const { cache, locks } = this.#mount
    switch (news.kind) {
      case 'connected':
        if (this.#told < 0) this.#takenBack.pagesOfOpen()
        cache.vouch()
        locks?.reconnected()
        return
      case 'lost':
        this.#owed = undefined
        this.#isAway()
        this.#grace ??= setTimeout(() => this.#forgetAll(), GRACE_MILLISECONDS).unref()
        return
      case 'reset':
        // the server may count again from where it was once
        this.#told = -1
        this.#forgetAll()
        this.#takenBack.contents()
        this.#hasCaughtUp()
        return
      case 'settled':
        this.#takenBack.settled(news.current())
        return
      case 'name':
        this.#takenBack.named(news.place, 'unknown')
        return
      case 'change':
        this.#takenBack.changed(news.change)
        this.#isTold(news.change.seq)
        return
      case 'told':
        this.#hasCaughtUp()
        this.#isTold(news.newest)
        return
      case 'lock':
        locks?.decisions.made(news.request)
        return
      case 'recall':
        locks?.recalled(news.ino)
    }
  }

  /** What the kernel was told to believe for long it must ask for again. */
  #forgetAll(): void {
    this.#takenBack.all()
    clearTimeout(this.#grace)
    this.#grace = undefined
    this.#look()
  }

  #isAway(): void {
    this.#mount.cache.suspend()
    this.#isBehind = true
  }

  #hasCaughtUp(): void {
    clearTimeout(this.#grace)
    this.#grace = undefined
    if (!this.#isBehind || this.#owed !== undefined) return
    this.#isBehind = false
    this.#look()
  }
}
