import type { WireAttributeChanges, WireAttributes } from '../../server/wire.js'
import type { Cache } from '../cache.js'
import type { RemoteFiles, RemotePart } from '../remote-files.js'
import { hasCode, refusal } from './answer.js'
import type { Budget } from './budget.js'
import { covers, type DirtyBlock, DirtyBlocks, overlay } from './dirty-blocks.js'
import type { KnownNode } from './nodes.js'

/** What the contents of all files share. */
export interface ContentMount {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly budget: Budget
  now(): number
  /** The server has a version that neither we nor the kernel have seen. */
  foreign(node: KnownNode): void
  /** The file was sent for the first time; it may turn out to be another inode than planned. */
  born(node: KnownNode, birth: Birth, attributes: WireAttributes): void
  /** A new file was given up before the server heard of it. */
  forsaken(birth: Birth): void
  /** Memory is short: others send what they hold. */
  relieve(): Promise<void>
}

/** A new file that the server has not heard of yet. */
export interface Birth {
  readonly directory: number
  readonly name: string
  readonly attributes: WireAttributes
  /** O_TRUNC: should somebody else be first, then what they wrote is cut. */
  readonly truncates: boolean
}

/** One request carries this much of a long file. */
const PART_BYTES = 4 << 20
/** Requests under way for one file. */
const IN_FLIGHT = 4
/** One file may hold this much unsent; then its writer waits. */
const FILE_BYTES = 24 << 20

/**
 * What is written to one inode and not yet on the server, shared by all its handles: bytes at offsets, bytes to append,
 * "cut to nothing", and attributes. Long files are sent in parts while writing goes on; the rest, and the attributes with
 * it, in one request at flush. What cannot be sent stays here and the next flush tries again.
 */
export class Content {
  readonly #mount: ContentMount
  readonly #node: KnownNode
  readonly #written = new DirtyBlocks()
  readonly #appended = new DirtyBlocks()
  readonly #sending = new Set<DirtyBlock>()
  readonly #inFlight = new Set<Promise<void>>()
  #isAppending = false
  #birth: Birth | undefined
  #isCut = false
  #changes: WireAttributeChanges = {}
  /** The newest attributes the server told, before what is pending here. */
  #base: WireAttributes
  #size: number
  #writtenAt = '0'
  /** Versions: what the base had when the last exchange began, and how many of ours were added since. */
  #versionBefore: number
  #ownVersions = 0
  #error: unknown
  #turn: Promise<void> = Promise.resolve()
  /** When the oldest unsent change came. */
  #since: number | undefined

  constructor(mount: ContentMount, node: KnownNode, base: WireAttributes, birth?: Birth) {
    this.#mount = mount
    this.#node = node
    this.#base = base
    this.#size = base.size
    this.#versionBefore = base.version
    this.#birth = birth
    if (birth !== undefined) this.#since = mount.now()
  }

  get isClean(): boolean {
    return this.#isSent && this.#inFlight.size === 0
  }

  get isUnborn(): boolean {
    return this.#birth !== undefined
  }

  /** A new file without content yet: nothing that a stat must wait for. */
  get isBlank(): boolean {
    return this.isUnborn && this.#size === 0 && this.#inFlight.size === 0
  }

  get birth(): Birth | undefined {
    return this.#birth
  }

  get bytes(): number {
    let bytes = this.#written.bytes + this.#appended.bytes
    for (const block of this.#sending) bytes += block.capacity
    return bytes
  }

  /** For how long the oldest unsent change waits. */
  get ageMilliseconds(): number {
    return this.#since === undefined ? 0 : this.#mount.now() - this.#since
  }

  /** The attributes as a program must see them now. */
  attributes(): WireAttributes {
    const { mtime, atime, ...changes } = this.#changes
    const touched = this.#isDirty ? { mtime: this.#writtenAt, ctime: this.#writtenAt } : {}
    return {
      ...this.#base,
      ...touched,
      ...changes,
      ...(mtime === undefined ? {} : { mtime: mtime === 'now' ? nanoseconds() : mtime }),
      ...(atime === undefined ? {} : { atime: atime === 'now' ? nanoseconds() : atime }),
      size: this.#size,
    }
  }

  async write(offset: number, data: Buffer, where: 'there' | 'at the end'): Promise<void> {
    this.#throwError()
    await this.#begin()
    if (where === 'there' && this.#hasAppended && offset + data.length > this.#base.size) {
      await this.flush()
    }
    const grown =
      where === 'there' ? this.#written.write(offset, data) : this.#appended.write(this.#size, data)
    this.#size = Math.max(
      this.#size,
      where === 'there' ? offset + data.length : this.#size + data.length,
    )
    this.#mount.budget.take(grown)
    this.#writtenAt = nanoseconds()
    // A write sets the time anew (write(2)); what was set before it no longer counts.
    delete this.#changes.mtime
    this.#since ??= this.#mount.now()
    this.#pump()
    await this.#room()
  }

  /** Cuts to nothing; sent with what is written next. */
  async cut(): Promise<void> {
    await this.#begin()
    await this.#exclusive(async () => {
      await Promise.allSettled(this.#inFlight)
      this.#discard()
      this.#isCut = this.#birth === undefined
      this.#size = 0
      this.#writtenAt = nanoseconds()
      delete this.#changes.mtime
      this.#since ??= this.#mount.now()
    })
  }

  /** Any other size: at once on the server, after what is pending. */
  async resize(size: number): Promise<void> {
    await this.flush()
    await this.#begin()
    const attributes = await this.#mount.files.setAttributes(this.#node.ino, { size })
    this.#confirm(attributes, 1)
  }

  async setAttributes(changes: WireAttributeChanges): Promise<void> {
    await this.#begin()
    this.#changes = { ...this.#changes, ...changes }
    this.#since ??= this.#mount.now()
  }

  /** Whether what is unsent touches a range, so that the server's bytes alone are not the file's. */
  hides(offset: number, length: number): boolean {
    return this.#birth !== undefined || this.#isCut || this.#over(offset, length).length > 0
  }

  /** Bytes of the file as a program must see them. `fetch` reads from the server. */
  async read(
    offset: number,
    length: number,
    fetch: (offset: number, length: number) => Promise<Buffer>,
  ): Promise<Buffer> {
    const end = Math.min(offset + length, this.#size)
    if (end <= offset) return Buffer.alloc(0)
    // Blocks confirmed while we fetch are not in the fetched bytes for sure: so they are laid over as they were before.
    const before = this.#over(offset, end - offset)
    const whole = Buffer.alloc(end - offset)
    if (this.#birth === undefined && !this.#isCut && !covers(before, offset, whole.length)) {
      const fetched = await fetch(offset, whole.length)
      fetched.copy(whole)
    }
    overlay(before, whole, offset)
    overlay(this.#over(offset, whole.length), whole, offset)
    return whole
  }

  /** Resolves once everything written before is on the server; rejects with the server's refusal. */
  flush(): Promise<void> {
    return this.#exclusive(() => this.#send())
  }

  /** Gives up what the server refused for good. */
  discard(): void {
    this.#discard()
    this.#birth = undefined
    this.#isCut = false
    this.#changes = {}
    this.#since = undefined
    this.#error = undefined
  }

  get #isDirty(): boolean {
    return (
      this.#isCut || !this.#written.isEmpty || !this.#appended.isEmpty || this.#sending.size > 0
    )
  }

  get #isSent(): boolean {
    return !this.#isDirty && this.#birth === undefined && Object.keys(this.#changes).length === 0
  }

  get #hasAppended(): boolean {
    return this.#isAppending || !this.#appended.isEmpty
  }

  /** All pieces over a range, older ones first. */
  #over(offset: number, length: number): DirtyBlock[] {
    const sending = [...this.#sending].filter(
      (block) => block.start < offset + length && block.end > offset,
    )
    sending.sort((a, b) => a.index - b.index)
    return [
      ...sending,
      ...this.#written.within(offset, length),
      ...this.#appended.within(offset, length),
    ]
  }

  /** The first change after everything was sent starts from what the server has now. */
  async #begin(): Promise<void> {
    if (!this.isClean) return
    const { cache, files } = this.#mount
    const { ino } = this.#node
    const base = cache.attributes(ino)?.value ?? (await files.stat(ino))
    if (!this.isClean) return
    this.#base = base
    this.#size = base.size
    this.#versionBefore = base.version
    this.#ownVersions = 0
  }

  #exclusive(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work, work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #send(): Promise<void> {
    this.#error = undefined
    for (;;) {
      if (this.#birth !== undefined) await this.#beBorn(this.#birth)
      else if (this.#isCut) await this.#sendCut()
      else if (!this.#written.isEmpty || !this.#appended.isEmpty) await this.#sendNext()
      else if (this.#inFlight.size > 0) await Promise.all(this.#inFlight)
      else if (!this.#isSent) await this.#sendAttributes()
      else break
      this.#throwError()
    }
    this.#since = undefined
  }

  /** Sends the next part; the last one waits for the others and carries the attributes. */
  async #sendNext(): Promise<void> {
    if (this.#inFlight.size >= IN_FLIGHT) await Promise.race(this.#inFlight)
    const batch = this.#take('all')
    if (batch.written.length + batch.appended.length === 0) {
      await Promise.all(this.#inFlight)
      return
    }
    const isLast = this.#written.isEmpty && this.#appended.isEmpty
    this.#hold(batch)
    if (!isLast) {
      void this.#launch(batch, {})
      return
    }
    try {
      await Promise.all(this.#inFlight)
    } catch (error) {
      this.#putBack(batch)
      throw error
    }
    await this.#launch(batch, this.#takeChanges())
  }

  /** Content of a file that was cut: one request if nothing is missing between its pieces. */
  async #sendCut(): Promise<void> {
    await Promise.all(this.#inFlight)
    const isWhole = this.#appended.isEmpty && covers(this.#written.sorted(), 0, this.#size)
    if (!isWhole || this.#size === 0 || this.#size > PART_BYTES) {
      const attributes = await this.#mount.files.setAttributes(this.#node.ino, { size: 0 })
      this.#isCut = false
      this.#confirm(attributes, 1)
      return
    }
    const batch = this.#take('all')
    this.#hold(batch)
    const size = this.#size
    await this.#launch(batch, { ...this.#takeChanges(), size })
    this.#isCut = false
    if (this.#isSent) this.#size = this.#base.size
  }

  async #sendAttributes(): Promise<void> {
    const changes = this.#takeChanges()
    try {
      this.#confirm(await this.#mount.files.setAttributes(this.#node.ino, changes), 0)
    } catch (error) {
      this.#changes = { ...changes, ...this.#changes }
      throw error
    }
  }

  /** One request for a new small file: content, owner, mode, times. A long one begins empty. */
  async #beBorn(birth: Birth): Promise<void> {
    const { files, cache } = this.#mount
    const blocks = [...this.#written.sorted(), ...this.#appended.sorted()]
    const isWhole = this.#size <= PART_BYTES && covers(blocks, 0, this.#size)
    const batch = isWhole ? this.#take('all') : { written: [], appended: [] }
    const changes = isWhole ? this.#takeChanges() : {}
    this.#hold(batch)
    const pieces = [...batch.written, ...batch.appended].flatMap((block) => block.pieces())
    const { mode, uid, gid } = { ...birth.attributes, ...this.#changes, ...changes }
    const attributes = {
      mode,
      uid,
      gid,
      ...(isTime(changes.atime) ? { atime: changes.atime } : {}),
      ...(isTime(changes.mtime) ? { mtime: changes.mtime } : {}),
    }
    try {
      const made = await files.put(
        birth.directory,
        birth.name,
        {
          size: pieces.reduce((sum, { data }) => sum + data.length, 0),
          async *open() {
            for (const { data } of pieces) yield data
          },
        },
        { mode: 'create', durability: 'process', attributes, ino: birth.attributes.ino },
      )
      this.#release(batch)
      this.#birth = undefined
      this.#base = made
      this.#versionBefore = made.version
      this.#ownVersions = 0
      this.#node.pages = made.version
      this.#mount.born(this.#node, birth, made)
      if (this.#isSent) this.#size = made.size
    } catch (error) {
      this.#putBack(batch)
      this.#changes = { ...changes, ...this.#changes }
      if (!hasCode(error, 'EEXIST')) throw error
      // Somebody else was first. open(2) without O_EXCL then opens theirs.
      const ticket = cache.ticket()
      const there = await files.lookup(birth.directory, birth.name)
      if (there.type !== 'file') throw error
      cache.learn(there, ticket)
      this.#birth = undefined
      this.#base = there
      this.#versionBefore = there.version
      this.#isCut = birth.truncates
      this.#size = Math.max(this.#size, birth.truncates ? 0 : there.size)
      this.#mount.born(this.#node, birth, there)
    }
  }

  /** Sends full blocks of a long file while writing goes on. */
  #pump(): void {
    if (this.#written.bytes + this.#appended.bytes < PART_BYTES * 1.5) return
    if (this.#birth !== undefined || this.#isCut || !this.#appended.isEmpty) {
      this.#inBackground(this.flush())
      return
    }
    while (this.#inFlight.size < IN_FLIGHT && this.#written.bytes >= PART_BYTES * 1.5) {
      const batch = this.#take('full blocks')
      if (batch.written.length === 0) return
      this.#hold(batch)
      this.#inBackground(this.#launch(batch, {}))
    }
  }

  /** Waits while too much is unsent. */
  async #room(): Promise<void> {
    while (this.bytes > FILE_BYTES) {
      if (this.#inFlight.size === 0) await this.flush()
      else await Promise.race(this.#inFlight).catch(() => {})
      this.#throwError()
    }
    if (!this.#mount.budget.isExceeded) return
    await this.flush()
    if (this.#mount.budget.isExceeded) await this.#mount.relieve()
  }

  #take(which: 'all' | 'full blocks'): Batch {
    const underWay = new Set([...this.#sending].map((block) => block.index))
    const batch: Batch = { written: [], appended: [] }
    let room = PART_BYTES
    for (const block of this.#written.sorted()) {
      if (room <= 0) return batch
      if (underWay.has(block.index) || (which === 'full blocks' && !block.isFull)) continue
      batch.written.push(block)
      room -= block.capacity
    }
    if (which === 'full blocks' || this.#isAppending) return batch
    if (batch.written.length < this.#written.blockCount) return batch
    for (const block of this.#appended.sorted()) {
      if (room <= 0) return batch
      batch.appended.push(block)
      room -= block.capacity
    }
    return batch
  }

  /** From here on the blocks are on their way: new writes go to new blocks. */
  #hold(batch: Batch): void {
    for (const block of batch.written) this.#written.remove(block)
    for (const block of batch.appended) this.#appended.remove(block)
    for (const block of [...batch.written, ...batch.appended]) this.#sending.add(block)
    if (batch.appended.length > 0) this.#isAppending = true
  }

  #release(batch: Batch): void {
    if (batch.appended.length > 0) this.#isAppending = false
    for (const block of [...batch.written, ...batch.appended]) {
      if (this.#sending.delete(block)) this.#mount.budget.give(block.capacity)
    }
  }

  #putBack(batch: Batch): void {
    if (batch.appended.length > 0) this.#isAppending = false
    for (const block of [...batch.written, ...batch.appended]) this.#sending.delete(block)
    for (const block of batch.written) this.#mount.budget.take(this.#written.putBack(block))
    for (const block of batch.appended) this.#mount.budget.take(this.#appended.putBack(block))
  }

  #launch(batch: Batch, changes: WireAttributeChanges): Promise<void> {
    const work = this.#transmit(batch, changes).finally(() => this.#inFlight.delete(work))
    this.#inFlight.add(work)
    work.catch((error) => {
      this.#error ??= error
    })
    return work
  }

  async #transmit(batch: Batch, changes: WireAttributeChanges): Promise<void> {
    const parts: RemotePart[] = batch.written.flatMap((block) => block.pieces())
    for (const block of batch.appended) {
      for (const { data } of block.pieces()) parts.push({ offset: 'append', data })
    }
    try {
      const attributes = await this.#mount.files.write(this.#node.ino, parts, {
        durability: 'process',
        ...withBytes(changes),
      })
      this.#release(batch)
      this.#confirm(attributes, 1, 1)
    } catch (error) {
      this.#putBack(batch)
      const { size: _, ...rest } = changes
      this.#changes = { ...rest, ...this.#changes }
      throw error
    }
  }

  /** Takes in the server's answer to a change of ours. `ending`: of the requests under way, these end with it. */
  #confirm(attributes: WireAttributes, versions: number, ending = 0): void {
    this.#ownVersions += versions
    if (attributes.version >= this.#base.version) this.#base = attributes
    this.#mount.cache.changedTo(this.#base)
    if (this.#inFlight.size > ending) return
    const node = this.#node
    const isOurs = this.#base.version <= this.#versionBefore + this.#ownVersions
    if (isOurs && node.pages === this.#versionBefore) node.pages = this.#base.version
    if (!isOurs) this.#mount.foreign(node)
    this.#versionBefore = this.#base.version
    this.#ownVersions = 0
    if (!this.#isDirty) this.#size = this.#base.size
  }

  #takeChanges(): WireAttributeChanges {
    const changes = this.#changes
    this.#changes = {}
    return changes
  }

  #discard(): void {
    this.#mount.budget.give(this.#written.bytes + this.#appended.bytes)
    this.#written.clear()
    this.#appended.clear()
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error) => {
      this.#error ??= error
    })
  }

  /** What failed in the background is told by the next operation on the file, once. */
  #throwError(): void {
    if (this.#error === undefined) return
    const error = this.#error
    this.#error = undefined
    throw error instanceof Error ? error : refusal('EIO', 'the file could not be sent')
  }
}

interface Batch {
  readonly written: DirtyBlock[]
  readonly appended: DirtyBlock[]
}

/** Attributes that travel with bytes. Writing itself sets mtime to now. */
function withBytes(changes: WireAttributeChanges): { attributes?: WireAttributeChanges } {
  const { mtime, atime, ...rest } = changes
  const attributes: WireAttributeChanges = {
    ...rest,
    ...(isTime(mtime) ? { mtime } : {}),
    ...(atime === undefined ? {} : { atime: atime === 'now' ? nanoseconds() : atime }),
  }
  return Object.keys(attributes).length > 0 ? { attributes } : {}
}

function isTime(time: string | undefined): time is string {
  return time !== undefined && time !== 'now'
}

function nanoseconds(): string {
  return `${Date.now()}000000`
}
