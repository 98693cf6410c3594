import { FileError } from '../../errors.js'
import { append, type ExpectedWrite, type Ino } from '../storage.js'
import type { Engine, TreeId } from './engine.js'
import { checkRoom, checkSize } from './room.js'

/** The partial writes of one file that are under way, and what they claim together. */
export interface Growth {
  readonly writes: Set<WriteClaim>
  claimed: number
}

/**
 * What one partial write claims until it has happened: so much of the quota as its file is going to grow, and so much again
 * of what waits on the disk until all of it has come. Two writes of one file often extend it over the same bytes (a mount
 * sends a new file in several parts at once), so these claim where the last of them ends, not the sum.
 */
export class WriteClaim {
  readonly #engine: Engine
  readonly #tree: TreeId
  readonly #ino: Ino
  /** How long the file was at first. */
  readonly #before: number
  /** How long it is to be in the end, if that does not follow from the parts. */
  readonly #size: number | undefined
  /** Where it ends after the parts that came. */
  #come: number
  /** Where it ends after those and what is expected. */
  #end: number
  #appends = false
  #waits = 0

  constructor(engine: Engine, tree: TreeId, file: { ino: Ino; size: number }, size?: number) {
    this.#engine = engine
    this.#tree = tree
    this.#ino = file.ino
    this.#before = file.size
    this.#size = size
    this.#come = file.size
    this.#end = file.size
  }

  /** Before anything comes. @throws EDQUOT, ENOSPC, EFBIG */
  begin({ offset, length }: ExpectedWrite): void {
    if (this.#size !== undefined) this.#reach(this.#size)
    if (length === undefined) return
    this.#engine.space.require(length)
    if (offset !== undefined) this.#extend(offset, length)
  }

  /** A part has come. @throws EDQUOT, EFBIG, EINVAL */
  add(offset: number | typeof append, length: number): void {
    this.#come = this.#extend(offset, length)
  }

  /** So many bytes of it have to wait on the disk, all in all. @throws EDQUOT */
  keep(bytes: number): void {
    if (bytes <= this.#waits) return
    const { waiting, sql } = this.#engine
    waiting.change(this.#tree.id, bytes - this.#waits)
    this.#waits = bytes
    const row = sql.treeById.get(this.#tree.id)
    if (row === undefined || row.max_bytes === null) return
    if (waiting.of(this.#tree.id) > Math.max(row.max_bytes, row.bytes)) {
      throw new FileError('EDQUOT', 'more is being written at once than your quota of bytes')
    }
  }

  /** Right before it happens: the file may have become shorter meanwhile. @throws EDQUOT */
  require(bytes: number): void {
    if (bytes > this.#end - this.#before) checkRoom(this.#engine, this.#tree, { bytes, inodes: 0 })
  }

  /** The growth counts as used from here on. */
  happened(): void {
    const growth = this.#engine.growing.get(this.#ino)
    if (!growth?.writes.delete(this)) return
    if (growth.writes.size === 0) this.#engine.growing.delete(this.#ino)
    this.#count(growth, this.#together(growth))
  }

  end(): void {
    this.happened()
    this.#engine.waiting.change(this.#tree.id, -this.#waits)
    this.#waits = 0
  }

  #extend(offset: number | typeof append, length: number): number {
    if (offset !== append) checkSize(offset)
    const end = (offset === append ? this.#come : offset) + length
    checkSize(end)
    if (offset === append) this.#appends = true
    if (this.#size === undefined) this.#reach(end)
    return Math.max(this.#come, end)
  }

  #reach(end: number): void {
    if (end <= this.#end) return
    this.#end = end
    const { growing, claims } = this.#engine
    const growth = growing.get(this.#ino) ?? { writes: new Set(), claimed: 0 }
    growing.set(this.#ino, growth)
    growth.writes.add(this)
    const bytes = this.#together(growth)
    const others = claims.of(this.#tree.id) - growth.claimed
    try {
      if (bytes > growth.claimed) {
        checkRoom(this.#engine, this.#tree, { bytes, inodes: 0 }, others)
      }
    } catch (error) {
      this.happened()
      throw error
    }
    this.#count(growth, bytes)
  }

  #count(growth: Growth, bytes: number): void {
    this.#engine.claims.change(this.#tree.id, bytes - growth.claimed)
    growth.claimed = bytes
  }

  /** How much longer than now the file is after all writes: each of those that append adds to that. */
  #together({ writes }: Growth): number {
    const size = this.#engine.sql.inode.get(this.#ino)?.size ?? this.#before
    let end = size
    let appended = 0
    for (const write of writes) {
      if (write.#appends && write.#size === undefined) appended += write.#end - write.#before
      else end = Math.max(end, write.#end)
    }
    return end - size + appended
  }
}
