import type { WireAttributeChanges, WireAttributes } from '../../../server/wire/inodes.js'
import { localTime } from '../time.js'
import type { Birth } from './birth.js'
import type { ContentMount } from './content-mount.js'
import { covers, overlay, pieces } from './dirty-blocks.js'
import { PendingAttributes } from './pending-attributes.js'
import { Unsent } from './unsent.js'

type Mount = Pick<ContentMount, 'budget' | 'blocks' | 'now'>

/**
 * A file as programs here must see it: what the server last told of it, and over that what the server has not got. Nothing
 * is sent from here, and of the server no more is asked than the bytes that are missing.
 */
export class LocalContent {
  readonly unsent: Unsent
  readonly pending = new PendingAttributes()
  /** Of a new file, until it is sent for the first time. */
  birth: Birth | undefined
  /** Cut to nothing here, and not there yet: of what the server has nothing is left. */
  isCut = false
  /** The newest attributes the server told, before what is pending here. */
  base: WireAttributes
  size: number
  readonly #mount: Mount
  #writtenAt = '0'
  /** When the oldest unsent change came. */
  #since: number | undefined

  constructor(mount: Mount, base: WireAttributes, birth?: Birth) {
    this.#mount = mount
    this.unsent = new Unsent(mount.budget, mount.blocks)
    this.base = base
    this.size = base.size
    this.birth = birth
    if (birth !== undefined) this.#since = mount.now()
  }

  /** It has bytes, or a cut, that the server has not. */
  get isDirty(): boolean {
    return this.isCut || !this.unsent.isEmpty
  }

  /** The server has all of it. */
  get isSent(): boolean {
    return !this.isDirty && this.birth === undefined && this.pending.isEmpty
  }

  /** For how long the oldest unsent change waits. */
  get ageMilliseconds(): number {
    return this.#since === undefined ? 0 : this.#mount.now() - this.#since
  }

  attributes(): WireAttributes {
    if (!this.isDirty && this.pending.isEmpty && this.size === this.base.size) return this.base
    const touched = this.isDirty ? { mtime: this.#writtenAt, ctime: this.#writtenAt } : {}
    return { ...this.base, ...touched, ...this.pending.shown, size: this.size }
  }

  write(offset: number, data: Buffer): void {
    this.unsent.write(offset, data)
    this.size = Math.max(this.size, offset + data.length)
    this.#isTouched()
  }

  append(data: Buffer): void {
    this.unsent.append(this.size, data)
    this.size += data.length
    this.#isTouched()
  }

  cut(): void {
    this.unsent.clear()
    this.isCut = this.birth === undefined
    this.size = 0
    this.#isTouched()
  }

  setAttributes(changes: WireAttributeChanges): void {
    this.pending.set(changes)
    this.#since ??= this.#mount.now()
  }

  /** What was to be set, and could not be in time. */
  areLate(changes: WireAttributeChanges): void {
    this.pending.putBack(changes, this.base)
    this.#since ??= this.#mount.now()
  }

  /** `fetch` reads from the server. */
  async read(
    offset: number,
    length: number,
    fetch: (offset: number, length: number) => Promise<Buffer>,
  ): Promise<Buffer> {
    const whole = Buffer.alloc(Math.max(0, Math.min(length, this.size - offset)))
    if (whole.length === 0) return whole
    const before = this.unsent.over(offset, whole.length)
    overlay(pieces(before), whole, offset)
    const isRemote = this.birth === undefined && !this.isCut
    if (!isRemote || covers(before, offset, whole.length)) return whole
    // Blocks that arrive there while we fetch may be missing in what we get: so they are laid over it as they are now.
    const kept = pieces(before).map((piece) => ({ ...piece, data: Buffer.from(piece.data) }))
    const fetched = await fetch(offset, whole.length)
    fetched.copy(whole)
    overlay(kept, whole, offset)
    overlay(pieces(this.unsent.over(offset, whole.length)), whole, offset)
    return whole
  }

  /** Nothing waits any more. */
  allSent(): void {
    this.#since = undefined
  }

  /** Gives up what waits to be sent. */
  discard(): void {
    this.unsent.clear()
    this.pending.clear()
    this.birth = undefined
    this.isCut = false
    this.#since = undefined
  }

  /** A write sets the time anew (write(2)): what was set before no longer counts. */
  #isTouched(): void {
    this.#writtenAt = localTime()
    this.pending.written()
    this.#since ??= this.#mount.now()
  }
}
