import type { WireAttributeChanges, WireAttributes, WireTime } from '../../server/wire.js'
import { isTime, localTime } from './time.js'

type ShownChanges = Omit<WireAttributeChanges, 'size' | 'atime' | 'mtime'> & {
  atime?: WireTime
  mtime?: WireTime
}

/** Changes as attributes, with "now" as this machine's clock has it. */
export function shownChanges({
  size: _,
  mtime,
  atime,
  ...rest
}: WireAttributeChanges): ShownChanges {
  return {
    ...rest,
    ...(mtime === undefined ? {} : { mtime: isTime(mtime) ? mtime : localTime() }),
    ...(atime === undefined ? {} : { atime: isTime(atime) ? atime : localTime() }),
  }
}

/** Of these what somebody else has set meanwhile stays: a late one must not open what was closed since. */
const PERMISSIONS = ['mode', 'uid', 'gid'] as const
type Permission = (typeof PERMISSIONS)[number]

interface Late {
  readonly changes: WireAttributeChanges
  /** What was known of the inode when they could not be sent. */
  readonly known: WireAttributes
}

/** Attributes that were set and are not yet on the server. */
export class PendingAttributes {
  #changes: WireAttributeChanges = {}
  /** What could not be sent when it should have been. */
  #late: Late | undefined

  get isEmpty(): boolean {
    return Object.keys(this.#all).length === 0
  }

  get isLate(): boolean {
    return this.#late !== undefined
  }

  get shown(): ShownChanges {
    return shownChanges(this.#all)
  }

  get #all(): WireAttributeChanges {
    return { ...this.#late?.changes, ...this.#changes }
  }

  set(changes: WireAttributeChanges): void {
    this.#changes = { ...this.#changes, ...changes }
  }

  /** A write sets the time anew (write(2)): what was set before no longer counts. */
  written(): void {
    delete this.#changes.mtime
    delete this.#late?.changes.mtime
  }

  take(): WireAttributeChanges {
    const changes = this.#all
    this.#changes = {}
    this.#late = undefined
    return changes
  }

  /** They could not be sent: they wait again, under what was set since. The size is told by the content. */
  putBack({ size: _, ...changes }: WireAttributeChanges, known: WireAttributes): void {
    if (Object.keys(changes).length > 0) this.#late = { changes, known }
  }

  /** They cannot be sent now. */
  areLate(known: WireAttributes): void {
    if (!this.isLate) this.putBack(this.take(), known)
  }

  /** They could have been sent: it was only the new file they belong to that somebody else had made first. */
  areInTime(): void {
    this.#changes = this.take()
  }

  /** The server has made them, as it turns out. */
  arrived(changes: WireAttributeChanges): void {
    if (this.#late === undefined) return
    const left = Object.entries(this.#late.changes).filter(
      ([name, value]) => changes[name as keyof WireAttributeChanges] !== value,
    )
    const isAll = left.length === 0
    this.#late = isAll ? undefined : { ...this.#late, changes: Object.fromEntries(left) }
  }

  /** What is late goes with the rest. @returns what does not, as somebody else has set it meanwhile */
  yieldTo(now: WireAttributes): Permission[] {
    if (this.#late === undefined) return []
    const { changes, known } = this.#late
    const left = { ...changes }
    const theirs = PERMISSIONS.filter(
      (name) => changes[name] !== undefined && now[name] !== known[name],
    )
    for (const name of theirs) delete left[name]
    this.#late = undefined
    this.#changes = { ...left, ...this.#changes }
    return theirs.filter((name) => now[name] !== changes[name])
  }
}
