import type { WireAttributes } from '../../server/wire/inodes.js'
import { permissionsIn } from '../permissions.js'
import { withoutPrivileges } from '../privileges.js'
import { markedTime } from './clock.js'
import { composition, type Extent } from './extents.js'
import type { Pending } from './pending.js'
import type { Change, Place, Seen } from './record.js'

export type Fetch = (offset: number, length: number) => Promise<Buffer>

export interface PlannedCopy {
  readonly ino: number
  readonly place: Place
  /** Of the file as programs saw it then; unknown of a journal that does not say it. */
  readonly version: number | undefined
}

/** A file with changes that the server does not have: how programs see it, and what is to be sent, in order. */
export class UnsentFile {
  readonly ino: number
  /** The inode on the server; another one only if the number set aside is no longer ours. */
  target: number
  /** Some name of it, if one is known. */
  place: Place | undefined
  /** As programs see it. */
  shown: WireAttributes
  /** The content on the server that the next change is made on. */
  seen: Seen
  /** Where it ended then, for what is appended. */
  endSeen: number
  /** Where its conflict copy goes, once that is decided. */
  copy: PlannedCopy | undefined
  /** What came before this change is lost: it is not made over what stands on the server, nor is what follows it. */
  gap: Pending | undefined
  readonly queue: Pending[] = []
  /** Its last name was removed here: nothing of it will be missed. */
  isNameless = false
  isSending = false
  /** Somebody waits for it. */
  isUrgent = false
  /** A conflict is being settled: changes made from now on start anew, after this. */
  settling: Promise<void> | undefined
  #base: WireAttributes
  #extents: { extent: Extent; of: Pending }[] = []
  #waiters: ((error: unknown) => void)[] = []

  constructor(ino: number, base: WireAttributes, place: Place | undefined) {
    this.ino = ino
    this.target = ino
    this.place = place
    this.shown = base
    this.#base = base
    this.seen = seenOf(base, base.permissions ?? 0)
    this.endSeen = base.size
  }

  /** The server has never heard of it. */
  get isUnborn(): boolean {
    return this.queue[0]?.change.kind === 'birth'
  }

  /** It will never be sent. */
  get isOnlyHere(): boolean {
    return this.isNameless && this.isUnborn
  }

  get bytes(): number {
    return this.queue.reduce((sum, { data }) => sum + data.length, 0)
  }

  add(pending: Pending): void {
    this.queue.push(pending)
    this.#apply(pending)
  }

  /**
   * What the server has once the first change is done. What somebody else has written or set meanwhile was not seen by who made here what
   * is still to be sent.
   */
  seenAfter({ change, isLate }: Pending, now: WireAttributes): Seen {
    const { permissions = 0 } = now
    const { permissions: before } = this.seen
    const content = changesContent(change) ? now : this.seen
    if (!isLate || before === undefined) return seenOf(content, permissions)
    const { mode, uid, gid } = shownAfter(this.#base, change, now.size)
    const isAsSet = now.mode === mode && now.uid === uid && now.gid === gid
    // A write that takes set-user-ID away is one more.
    const most = before + (setsPermissions(change) ? 2 : mode === this.#base.mode ? 0 : 1)
    return seenOf(content, isAsSet && permissions <= most ? permissions : before)
  }

  /** The first change is done. */
  removeFirst(now: WireAttributes | undefined): void {
    const [first] = this.queue.splice(0, 1)
    if (first === undefined) return
    if (now !== undefined) {
      this.seen = this.seenAfter(first, now)
      this.#base = now
      if (changesContent(first.change)) this.endSeen = now.size
    }
    this.#extents = this.#extents.filter(({ of }) => of !== first)
    first.finish()
  }

  /** A change is lost; what follows it was made on what nobody has any more. */
  lose(pending: Pending): void {
    const at = this.queue.indexOf(pending)
    if (at < 0) return
    this.queue.splice(at, 1)
    this.#extents = this.#extents.filter(({ of }) => of !== pending)
    const gapAt = this.gap === undefined ? -1 : this.queue.indexOf(this.gap)
    if (gapAt < 0 || gapAt > at) this.gap = this.queue[at]
    pending.finish()
  }

  /** A change that was not sent is taken back; those that came after it stay. @returns false if it is on its way, or done */
  takeBack(pending: Pending): boolean {
    const at = this.queue.indexOf(pending)
    if (at < 0 || (this.isSending && at === 0)) return false
    this.queue.splice(at, 1)
    if (this.gap === pending) this.gap = this.queue[at]
    this.shown = this.#base
    this.#extents = []
    for (const kept of this.queue) this.#apply(kept)
    pending.finish()
    return true
  }

  /** What the server says of the inode, under what it does not know yet. */
  over(remote: WireAttributes): WireAttributes {
    const { mode, uid, gid, size, atime, mtime, version, etag, modified_time } = this.shown
    const { allocated } = this.shown
    this.shown = {
      ...remote,
      ...{ ino: this.ino, mode, uid, gid, size, atime, mtime, version, etag, modified_time },
      ...(allocated === undefined ? {} : { allocated }),
    }
    return this.shown
  }

  /** Bytes as programs see them. `fetch` reads from the server. */
  async read(offset: number, length: number, fetch: Fetch): Promise<Buffer> {
    for (;;) {
      const [first] = this.queue
      try {
        return await this.#read(offset, length, fetch)
      } catch (error) {
        // What was sent meanwhile may be gone from the journal: the server has it.
        if (this.queue[0] === first) throw error
      }
    }
  }

  async #read(offset: number, length: number, fetch: Fetch): Promise<Buffer> {
    const end = Math.min(offset + length, this.shown.size)
    const whole = Buffer.alloc(Math.max(0, end - offset))
    const extents = this.#extents.map(({ extent }) => extent)
    const { pieces, gaps } = composition(extents, offset, end)
    for (const { from, to, extent } of pieces) {
      if (extent.source === 'zeros') continue
      const { data, at } = extent.source
      const bytes = await data.part(at + from - extent.from, to - from)
      bytes.copy(whole, from - offset)
    }
    const start = gaps[0]?.[0]
    const last = gaps.at(-1)?.[1]
    if (start === undefined || last === undefined || this.isUnborn) return whole
    const fetched = await fetch(start, last - start)
    for (const [from, to] of gaps) {
      // Where the server's content ends before what was written here begins, there are zeros.
      fetched.subarray(from - start, to - start).copy(whole, from - offset)
    }
    return whole
  }

  /** Rejects with the next failure to send. */
  failure(): Promise<never> {
    return new Promise((_, reject) => this.#waiters.push(reject))
  }

  failed(error: unknown): void {
    for (const reject of this.#waiters.splice(0)) reject(error)
  }

  #apply(pending: Pending): void {
    const { change, data } = pending
    const put = (extent: Extent) => this.#extents.push({ extent, of: pending })
    let { size } = this.shown
    let leavesHole = false
    if (change.kind === 'birth') {
      size = data.length
      put({ from: 0, to: size, source: { data, at: 0 } })
    }
    if (change.kind === 'write') {
      let at = 0
      for (const { offset, length } of change.parts) {
        const from = offset === 'append' ? size : offset
        put({ from, to: from + length, source: { data, at } })
        leavesHole ||= from > size
        size = Math.max(size, from + length)
        at += length
      }
    }
    const cut = change.kind === 'birth' ? undefined : change.changes.size
    if (cut !== undefined && cut < size) {
      put({ from: cut, to: Number.POSITIVE_INFINITY, source: 'zeros' })
    }
    leavesHole ||= cut !== undefined && cut > size
    const before = this.shown
    const after = shownAfter(before, change, cut ?? size)
    const isSparse = leavesHole || before.allocated !== undefined
    this.shown = isSparse
      ? { ...after, allocated: allocatedAfter(before, data.length, after.size) }
      : after
  }
}

function setsPermissions(change: Change): boolean {
  return change.kind !== 'birth' && permissionsIn(change.changes).length > 0
}

export function changesContent(change: Change): boolean {
  return change.kind !== 'attributes' || change.changes.size !== undefined
}

function seenOf({ version, etag }: Seen, permissions: number): Seen {
  return { version, etag, permissions }
}

/** At most; exactly the server says it. */
function allocatedAfter(
  { allocated, size: sizeBefore }: WireAttributes,
  written: number,
  size: number,
): number {
  return Math.min(size, (allocated ?? sizeBefore) + written)
}

function shownAfter(before: WireAttributes, change: Change, size: number): WireAttributes {
  const given = change.kind === 'birth' ? change.attributes : change.changes
  const isChanged = change.kind !== 'attributes' || size !== before.size
  const version = change.kind === 'birth' ? 1 : before.version + (isChanged ? 1 : 0)
  // As the server does it.
  const isAnother = isChanged || given.uid !== undefined || given.gid !== undefined
  const kept = isAnother && before.type === 'file' ? withoutPrivileges(before.mode) : before.mode
  const mtime = given.mtime ?? before.mtime
  const ctime = isChanged ? mtime : markedTime()
  return {
    ...before,
    mode: given.mode ?? kept,
    uid: given.uid ?? before.uid,
    gid: given.gid ?? before.gid,
    atime: given.atime ?? before.atime,
    mtime,
    ctime: BigInt(ctime) > BigInt(before.ctime) ? ctime : before.ctime,
    size,
    version,
    etag: version === before.version ? before.etag : `"${before.ino}-${version}"`,
    modified_time: new Date(Number(BigInt(mtime) / 1_000_000n)).toISOString(),
  }
}
