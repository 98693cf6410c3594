import type { WireAttributeChanges, WireAttributes, WireTime } from '../../../server/wire/inodes.js'
import { leftToOthers, type Permission, permissionsIn } from '../../permissions.js'
import { isTime, localTime } from '../time.js'

type ShownChanges = Omit<WireAttributeChanges, 'size' | 'permissions' | 'atime' | 'mtime'> & {
  atime?: WireTime
  mtime?: WireTime
}

/** Changes as attributes, with "now" as this machine's clock has it. */
export function shownChanges(
  { mode, uid, gid, mtime, atime }: WireAttributeChanges,
  now = localTime(),
): ShownChanges {
  const shown: ShownChanges = {}
  if (mode !== undefined) shown.mode = mode
  if (uid !== undefined) shown.uid = uid
  if (gid !== undefined) shown.gid = gid
  if (mtime !== undefined) shown.mtime = isTime(mtime) ? mtime : now
  if (atime !== undefined) shown.atime = isTime(atime) ? atime : now
  return shown
}

/** Something that is being set, and when that was asked for. */
export interface SetAttributes {
  readonly changes: WireAttributeChanges
  readonly time: WireTime
}

/** Its times are the server's to say: they are shown when it has. */
export function isOnlyKnownThere({ changes: { atime, mtime } }: SetAttributes): boolean {
  return atime === 'now' || mtime === 'now'
}

/** An inode as it will be once these are set, oldest first. */
export function asSet(attributes: WireAttributes, set: readonly SetAttributes[]): WireAttributes {
  let is = attributes
  for (const { changes, time } of set) {
    is = Object.assign({}, is, shownChanges(changes, time), { ctime: time })
  }
  return is
}

/** Of changes that were sent, late if they tell what was seen: what stays as somebody else has set it. */
export function yielded(changes: WireAttributeChanges, now: WireAttributes): Permission[] {
  return changes.permissions === undefined ? [] : leftToOthers(changes, now)
}

interface Late {
  readonly changes: WireAttributeChanges
  /** The `permissions` that the inode was known to have when they could not be sent. */
  readonly seen: number
}

/** Attributes that were set and are not yet on the server. */
export class PendingAttributes {
  #changes: WireAttributeChanges = {}
  /** What could not be sent when it should have been. */
  #late: Late | undefined

  get isEmpty(): boolean {
    return isNone(this.#changes) && isNone(this.#late?.changes)
  }

  get isLate(): boolean {
    return this.#late !== undefined
  }

  get shown(): ShownChanges {
    return shownChanges(this.#all)
  }

  get #all(): WireAttributeChanges {
    return this.#late === undefined ? this.#changes : { ...this.#late.changes, ...this.#changes }
  }

  set(changes: WireAttributeChanges): void {
    this.#changes = { ...this.#changes, ...changes }
  }

  /** A write sets the time anew (write(2)): what was set before no longer counts. */
  written(): void {
    // what never was there is not deleted, for V8 would make a dictionary of each object
    if (this.#changes.mtime !== undefined) delete this.#changes.mtime
    if (this.#late?.changes.mtime !== undefined) delete this.#late.changes.mtime
  }

  clear(): void {
    this.#changes = {}
    this.#late = undefined
  }

  /** What is to be sent next. Mode and owner that are late go with what was seen of them, and those set since after that. */
  take(): WireAttributeChanges {
    const changes = this.#all
    const now = picked(this.#changes, permissionsIn(this.#changes))
    const late = permissionsIn(this.#late?.changes ?? {}).filter((name) => now[name] === undefined)
    const seen = this.#late?.seen
    this.clear()
    if (seen === undefined || late.length === 0) return changes
    this.#changes = now
    for (const name of permissionsIn(now)) delete changes[name]
    return { ...changes, permissions: seen }
  }

  /** They could not be sent: they wait again, under what was set since. The size is told by the content. */
  putBack({ size: _, ...changes }: WireAttributeChanges, known: WireAttributes): void {
    const { permissions: seen = known.permissions ?? 0, ...late } = changes
    if (Object.keys(late).length === 0) return
    const before = this.#late
    this.#late = { changes: { ...before?.changes, ...late }, seen: before?.seen ?? seen }
  }

  /** They cannot be sent now. */
  areLate(known: WireAttributes): void {
    if (!this.isLate) this.putBack(this.take(), known)
  }

  /** They could have been sent: it was only the new file they belong to that somebody else had made first. */
  areInTime(): void {
    const changes = this.#all
    this.clear()
    this.#changes = changes
  }

  /** The file they were meant for is another one, which somebody else has made. @returns what is given up */
  yield(): Permission[] {
    const late = permissionsIn(this.#late?.changes ?? {})
    for (const name of late) delete this.#late?.changes[name]
    return late
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
}

function isNone(changes: WireAttributeChanges | undefined): boolean {
  for (const _ in changes) return false
  return true
}

function picked(changes: WireAttributeChanges, names: readonly Permission[]): WireAttributeChanges {
  return Object.fromEntries(names.map((name) => [name, changes[name]]))
}
