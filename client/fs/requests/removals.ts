import type { WireAttributes, WireTime } from '../../../server/wire/inodes.js'
import type { Ticket } from '../../cache/latest-changes.js'
import type { RemoteFiles } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import { localTime } from '../time.js'

/** Removals of which nobody waits for the end; with more, programs wait. */
const MOST = 256
/** As many travel together. */
const AT_ONCE = 64
/** While they come fast, and nobody waits for any, more are gathered for so long. */
const GATHER_MILLISECONDS = 3

export interface Removal {
  readonly directory: number
  readonly name: string
  readonly ino: number
  readonly kind: 'unlink' | 'rmdir'
  /** Taken once the removal was noted. */
  readonly ticket: Ticket
  /** What the directory's time is said to be until the server has told it; of no other removal. */
  readonly time: WireTime
}

/** What becomes of removals. */
export interface RemovalNews {
  /** `left`: the inode as it was left, if the server told. */
  removed(removal: Removal, left: WireAttributes | undefined): void
  /** It still stands, although a program was told that it does not. */
  refused(removal: Removal, error: unknown): void
}

/**
 * Removals that programs need not wait for (rm -rf): the server hears of them in their order, many at a time. Whatever else is
 * to be changed comes after them, so that others see all changes in order; and so does the answer to who asks about the same place.
 */
export class Removals {
  readonly #files: RemoteFiles
  readonly #news: RemovalNews
  readonly #pending = new Set<Removal>()
  readonly #queue: Removal[] = []
  #sending: Promise<void> | undefined
  /** Those that something went out behind. */
  #hurried: Promise<void> = Promise.resolve()
  #waiting = 0
  #enough: (() => void) | undefined
  #mayRemove = false

  constructor(files: RemoteFiles, news: RemovalNews) {
    this.#files = files
    this.#news = news
  }

  get count(): number {
    return this.#pending.size
  }

  /** Whether the next one need not be waited for: this login may remove, as was seen, and not too many are under way. */
  get hasRoom(): boolean {
    return this.#mayRemove && this.#pending.size < MOST && this.#files.removeAll !== undefined
  }

  /** The server removed something, or refused to. */
  learn(outcome: 'removed' | 'refused'): void {
    this.#mayRemove = outcome === 'removed'
  }

  /** Whether some of a directory's names are still under way. */
  isUnderWayIn(directory: number): boolean {
    for (const removal of this.#pending) if (removal.directory === directory) return true
    return false
  }

  /** Whether a name is still being taken away. */
  isUnderWayAt(directory: number, name: string): boolean {
    for (const removal of this.#pending) {
      if (removal.directory === directory && removal.name === name) return true
    }
    return false
  }

  /** What the time of a directory is, until the server tells it. */
  timeAfter(before: WireTime): WireTime {
    const now = BigInt(localTime())
    const earliest = BigInt(before) + 1n
    return String(now > earliest ? now : earliest)
  }

  add(removal: Removal): void {
    this.#pending.add(removal)
    this.#queue.push(removal)
    if (this.#queue.length >= AT_ONCE) this.#enough?.()
    this.#send('at once')
  }

  /** Resolves once all are done. */
  all(): Promise<void> {
    return this.#until(() => this.#pending.size === 0)
  }

  /** Resolves once those are done that bear on a directory or another inode. */
  about(ino: number): Promise<void> {
    const isAbout = (removal: Removal) => removal.directory === ino || removal.ino === ino
    return this.#until(() => ![...this.#pending].some(isAbout))
  }

  /** Asks right behind all of them, where that keeps the order; they come out before it does. */
  async followedBy<T>(ask: () => T): Promise<Awaited<T>> {
    this.#enough?.()
    while (this.#queue.length > 0) {
      const sent = this.#carryOut(this.#queue.splice(0, AT_ONCE))
      this.#hurried = Promise.all([this.#hurried, sent]).then(() => {})
    }
    const before = Promise.all([this.#sending, this.#hurried])
    try {
      return await ask()
    } finally {
      await before
    }
  }

  async #until(isDone: () => boolean): Promise<void> {
    this.#waiting += 1
    this.#enough?.()
    try {
      while (!isDone()) await (this.#sending ?? this.#hurried)
    } finally {
      this.#waiting -= 1
    }
  }

  #send(when: 'at once' | 'gathered'): void {
    if (this.#sending !== undefined || this.#queue.length === 0) return
    this.#sending = this.#sendNext(when).finally(() => {
      this.#sending = undefined
      // What came meanwhile came fast.
      this.#send('gathered')
    })
  }

  async #sendNext(when: 'at once' | 'gathered'): Promise<void> {
    if (when === 'gathered' && this.#waiting === 0 && this.#queue.length < AT_ONCE) {
      await new Promise<void>((resolve) => {
        this.#enough = resolve
        setTimeout(resolve, GATHER_MILLISECONDS)
      })
      this.#enough = undefined
    }
    const batch = this.#queue.splice(0, AT_ONCE)
    // Something may have gone out behind them meanwhile.
    if (batch.length > 0) await this.#carryOut(batch)
  }

  async #carryOut(batch: readonly Removal[]): Promise<void> {
    const outcomes = (await this.#files.removeAll?.(batch)) ?? []
    for (const [index, removal] of batch.entries()) {
      const outcome = outcomes[index]
      this.#pending.delete(removal)
      if (outcome?.status === 'fulfilled') this.#news.removed(removal, outcome.value)
      else if (hasCode(outcome?.reason, 'ENOENT')) this.#news.removed(removal, undefined)
      else {
        this.learn('refused')
        this.#news.refused(removal, outcome?.reason)
      }
    }
  }
}
