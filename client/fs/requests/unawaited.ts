import type { WireAttributeChanges, WireAttributes, WireTime } from '../../../server/wire/inodes.js'
import type { Ticket } from '../../cache/latest-changes.js'
import type { RemoteFiles } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import { localTime } from '../time.js'

/** Changes of which nobody waits for the end; with more, programs wait. */
const MOST = 256
/** As many are sent in one go. */
const AT_ONCE = 64
/** While they come fast, and nobody waits for any, more are gathered for so long. */
const GATHER_MILLISECONDS = 3

/** What a program was told is done. */
export type UnawaitedChange = Removal | AttributeChange

export interface Removal {
  readonly kind: 'unlink' | 'rmdir'
  readonly directory: number
  readonly name: string
  readonly ino: number
  /** Taken once the removal was noted. */
  readonly ticket: Ticket
  /** What the directory's time is said to be until the server has told it; of no other removal. */
  readonly time: WireTime
}

/** chmod(2), chown(2), utimensat(2). */
export interface AttributeChange {
  readonly kind: 'attributes'
  readonly ino: number
  readonly changes: WireAttributeChanges
  /** As the server last told it. */
  known: WireAttributes
  /** This machine's, when it was asked for. */
  readonly time: WireTime
  /** Taken once the change was noted. */
  readonly ticket: Ticket
}

/** What becomes of them. */
export interface UnawaitedNews {
  /** `left`: the inode as it was left, if the server told. */
  removed(removal: Removal, left: WireAttributes | undefined): void
  /** It still stands, although a program was told that it does not. */
  stillStands(removal: Removal, error: unknown): void
  /** `isLast`: nothing else that was set of the inode is under way. */
  set(change: AttributeChange, attributes: WireAttributes, isLast: boolean): void
  /** It was not, or nobody knows, although a program was told so. */
  notSet(change: AttributeChange, error: unknown): void
}

/**
 * Changes that programs need not wait for (rm -rf, rsync): the server hears of them in their order, many at a time. Whatever else is
 * to be changed comes after them, so that others see all changes in order; and so does the answer to who asks about the same place.
 */
export class Unawaited {
  readonly #files: RemoteFiles
  readonly #news: UnawaitedNews
  readonly #pending = new Set<UnawaitedChange>()
  readonly #queue: UnawaitedChange[] = []
  #sending: Promise<void> | undefined
  /** Those that something went out behind. */
  #hurried: Promise<void> = Promise.resolve()
  #waiting = 0
  #enough: (() => void) | undefined
  #mayChange = false

  constructor(files: RemoteFiles, news: UnawaitedNews) {
    this.#files = files
    this.#news = news
  }

  get count(): number {
    return this.#pending.size
  }

  /** Whether a change of this kind need not be waited for: this login may make one, as was seen, and not too many are under way. */
  hasRoom(kind: 'removal' | 'attributes'): boolean {
    if (!this.#mayChange || this.#pending.size >= MOST) return false
    return kind === 'removal'
      ? this.#files.removeAll !== undefined
      : this.#files.keepsOrder === true
  }

  /** The server made such a change, or refused to. */
  learn(outcome: 'done' | 'refused'): void {
    this.#mayChange = outcome === 'done'
  }

  /** Whether some of a directory's names are still being taken away. */
  isRemovingIn(directory: number): boolean {
    for (const change of this.#pending) {
      if (change.kind !== 'attributes' && change.directory === directory) return true
    }
    return false
  }

  /** Whether a name is still being taken away. */
  isRemovingAt(directory: number, name: string): boolean {
    for (const change of this.#pending) {
      if (change.kind === 'attributes') continue
      if (change.directory === directory && change.name === name) return true
    }
    return false
  }

  /** Attributes of an inode that are being set, oldest first. */
  setOf(ino: number): AttributeChange[] {
    if (this.#pending.size === 0) return NONE
    return [...this.#pending].filter(
      (change): change is AttributeChange => change.kind === 'attributes' && change.ino === ino,
    )
  }

  /** What the time of a directory is, until the server tells it. */
  timeAfter(before: WireTime): WireTime {
    const now = BigInt(localTime())
    const earliest = BigInt(before) + 1n
    return String(now > earliest ? now : earliest)
  }

  add(change: UnawaitedChange): void {
    this.#pending.add(change)
    this.#queue.push(change)
    if (this.#queue.length >= AT_ONCE) this.#enough?.()
    this.#send('at once')
  }

  /** Resolves once all are done. */
  all(): Promise<void> {
    return this.#until(() => this.#pending.size === 0)
  }

  /** Resolves once those are done that bear on a directory or another inode. */
  about(ino: number): Promise<void> {
    const isAbout = (change: UnawaitedChange) =>
      change.ino === ino || (change.kind !== 'attributes' && change.directory === ino)
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

  /** Asks for all of them before the first is answered, in their order. */
  async #carryOut(batch: readonly UnawaitedChange[]): Promise<void> {
    await Promise.all(
      inRuns(batch).map((run) => (Array.isArray(run) ? this.#remove(run) : this.#set(run))),
    )
  }

  async #remove(removals: readonly Removal[]): Promise<void> {
    const outcomes = (await this.#files.removeAll?.(removals)) ?? []
    for (const [index, removal] of removals.entries()) {
      const outcome = outcomes[index]
      this.#pending.delete(removal)
      if (outcome?.status === 'fulfilled') this.#news.removed(removal, outcome.value)
      else if (hasCode(outcome?.reason, 'ENOENT')) this.#news.removed(removal, undefined)
      else {
        this.learn('refused')
        this.#news.stillStands(removal, outcome?.reason)
      }
    }
  }

  async #set(change: AttributeChange): Promise<void> {
    const { ino, changes } = change
    try {
      const attributes = await this.#files.setAttributes(ino, changes, { isUnawaited: true })
      this.#pending.delete(change)
      const others = this.setOf(ino)
      for (const other of others) other.known = attributes
      this.#news.set(change, attributes, others.length === 0)
    } catch (error) {
      this.#pending.delete(change)
      this.learn('refused')
      this.#news.notSet(change, error)
    }
  }
}

const NONE: AttributeChange[] = []

/** Removals in a row go by one request. */
function inRuns(batch: readonly UnawaitedChange[]): (Removal[] | AttributeChange)[] {
  const runs: (Removal[] | AttributeChange)[] = []
  for (const change of batch) {
    const last = runs.at(-1)
    if (change.kind === 'attributes') runs.push(change)
    else if (Array.isArray(last)) last.push(change)
    else runs.push([change])
  }
  return runs
}
