import type { WireAttributeChanges, WireAttributes } from '../../server/wire.js'
import type { Soon } from '../fuse/soon.js'
import type { Ticket } from '../latest-changes.js'
import type { Changed, RemotePart, WriteOptions } from '../remote-files.js'
import { hasCode, isTransient, refusal } from './answer.js'
import { type Birth, bear } from './birth.js'
import type { ContentMount } from './content-mount.js'
import { covers, overlay, pieces } from './dirty-blocks.js'
import type { KnownNode } from './nodes.js'
import { PendingAttributes } from './pending-attributes.js'
import { RequestsUnderWay } from './requests-under-way.js'
import { localTime, withBytes } from './time.js'
import { UndecidedChanges } from './undecided.js'
import { type Batch, isEmptyBatch, Unsent } from './unsent.js'
import { Versions } from './versions.js'

type Durability = WriteOptions['durability']

/** One request carries this much of a long file. */
const PART_BYTES = 4 << 20
/** While a file is written its full blocks are sent once there are this many bytes. */
const PUMP_BYTES = 6 << 20
/** Requests under way for one file. */
const IN_FLIGHT = 4
/** What a new file has, with all its content. */
const FIRST_VERSION = 1
/** One file may hold this much unsent; then its writer waits. */
const FILE_BYTES = 24 << 20

/**
 * What is written to one inode and not yet on the server, shared by all its handles: bytes, "cut to nothing", attributes.
 * Long files are sent in parts while writing goes on; the rest, and the attributes with it, in one request at flush. What
 * cannot be sent stays here, and the next flush tries again.
 */
export class Content {
  readonly #mount: ContentMount
  readonly #node: KnownNode
  readonly #unsent: Unsent
  readonly #versions: Versions
  readonly #requests = new RequestsUnderWay()
  readonly #pending = new PendingAttributes()
  readonly #undecided = new UndecidedChanges()
  #birth: Birth | undefined
  #isCut = false
  /** The newest attributes the server told, before what is pending here. */
  #base: WireAttributes
  #size: number
  #writtenAt = '0'
  #lastDurability: Durability = 'process'
  /** What is sent may go over a newer change of another machine that nobody here has seen. */
  #overtakes: 'rewritten here' | 'sent late' | undefined
  /** When the oldest unsent change came. */
  #since: number | undefined

  constructor(mount: ContentMount, node: KnownNode, base: WireAttributes, birth?: Birth) {
    this.#mount = mount
    this.#node = node
    this.#unsent = new Unsent(mount.budget, mount.blocks)
    this.#versions = new Versions(base.version)
    this.#base = base
    this.#size = base.size
    this.#birth = birth
    if (birth !== undefined) this.#since = mount.now()
  }

  get isClean(): boolean {
    return this.#isSent && this.#requests.count === 0
  }

  get birth(): Birth | undefined {
    return this.#birth
  }

  /** A new file without content yet: nothing that a stat must wait for. */
  get isBlank(): boolean {
    return this.#birth !== undefined && this.#size === 0 && this.#requests.count === 0
  }

  get bytes(): number {
    return this.#unsent.bytes
  }

  /** For how long the oldest unsent change waits. */
  get ageMilliseconds(): number {
    return this.#since === undefined ? 0 : this.#mount.now() - this.#since
  }

  /** The attributes as a program must see them now. */
  attributes(): WireAttributes {
    const touched = this.#isDirty ? { mtime: this.#writtenAt, ctime: this.#writtenAt } : {}
    return { ...this.#base, ...touched, ...this.#pending.shown, size: this.#size }
  }

  /** Whether `write` takes the bytes before it returns. */
  takesAtOnce(where: 'there' | 'at the end'): boolean {
    return !this.isClean && !(where === 'there' && this.#unsent.hasAppended)
  }

  write(offset: number, data: Buffer, where: 'there' | 'at the end'): Soon<void> {
    this.#requests.throwError()
    if (this.takesAtOnce(where)) return this.#take(offset, data, where)
    return this.#writeLater(offset, data, where)
  }

  async #writeLater(offset: number, data: Buffer, where: 'there' | 'at the end'): Promise<void> {
    await this.#begin()
    const isAfter = offset + data.length > (this.#isCut ? 0 : this.#base.size)
    if (where === 'there' && this.#unsent.hasAppended && isAfter) await this.flush()
    await this.#take(offset, data, where)
  }

  /** What is returned is waited for, as long as too much is unsent. */
  #take(offset: number, data: Buffer, where: 'there' | 'at the end'): Soon<void> {
    if (where === 'there') {
      this.#unsent.write(offset, data)
      this.#size = Math.max(this.#size, offset + data.length)
    } else {
      this.#unsent.append(this.#size, data)
      this.#size += data.length
    }
    this.#isTouched()
    this.#pump()
    if (this.bytes > FILE_BYTES || this.#mount.budget.isExceeded) return this.#room()
  }

  /** Cuts to nothing; sent with what is written next. */
  async cut(): Promise<void> {
    await this.#begin()
    await this.#requests.inTurn(async () => {
      await this.#requests.settled()
      this.#unsent.clear()
      this.#undecided.clear((batch) => this.#unsent.arrived(batch))
      this.#isCut = this.#birth === undefined
      if (this.#isCut) this.#overtakes = 'rewritten here'
      this.#size = 0
      this.#isTouched()
    })
  }

  /** Any other size. */
  resize(size: number): Promise<void> {
    return this.change((ino) => this.#mount.files.setAttributes(ino, { size }))
  }

  /** What the server does to the content without being sent bytes: at once, after what is pending. */
  async change(ask: (ino: number) => Promise<Changed>): Promise<void> {
    await this.flush()
    await this.#begin()
    const ticket = this.#mount.cache.ticket()
    this.#confirm(await ask(this.#node.ino), 1, ticket)
  }

  async setAttributes(changes: WireAttributeChanges): Promise<void> {
    await this.#begin()
    this.#pending.set(changes)
    this.#since ??= this.#mount.now()
  }

  /** Bytes of the file as a program must see them. `fetch` reads from the server. */
  async read(
    offset: number,
    length: number,
    fetch: (offset: number, length: number) => Promise<Buffer>,
  ): Promise<Buffer> {
    const whole = Buffer.alloc(Math.max(0, Math.min(length, this.#size - offset)))
    if (whole.length === 0) return whole
    const before = this.#unsent.over(offset, whole.length)
    overlay(pieces(before), whole, offset)
    const isRemote = this.#birth === undefined && !this.#isCut
    if (!isRemote || covers(before, offset, whole.length)) return whole
    // Blocks that arrive there while we fetch may be missing in what we get: so they are laid over it as they are now.
    const kept = pieces(before).map((piece) => ({ ...piece, data: Buffer.from(piece.data) }))
    const fetched = await fetch(offset, whole.length)
    fetched.copy(whole)
    overlay(kept, whole, offset)
    overlay(pieces(this.#unsent.over(offset, whole.length)), whole, offset)
    return whole
  }

  /** Resolves once everything written before is on the server; rejects with the server's refusal. */
  flush(): Promise<void> {
    return this.#requests.inTurn(() => this.#send('process'))
  }

  /** fsync(2): resolves once it is on the server's disk. */
  sync(): Promise<void> {
    return this.#requests.inTurn(async () => {
      const isLast = await this.#send(this.#mount.files.journals === true ? 'process' : 'power')
      if (isLast === 'durable') return
      await this.#mount.files.sync(this.#node.ino)
    })
  }

  /** Runs in turn, while nothing is on its way: what the server refused of it is unsent again. */
  whenSettled(work: () => void): Promise<void> {
    return this.#requests.inTurn(async () => {
      await this.#requests.settled()
      work()
    })
  }

  /** Gives up what is not sent. */
  discard(): void {
    this.#unsent.clear()
    this.#undecided.forget((batch) => this.#unsent.arrived(batch))
    this.#birth = undefined
    this.#isCut = false
    this.#pending.take()
    this.#since = undefined
    this.#requests.forgetError()
  }

  get #isDirty(): boolean {
    return this.#isCut || !this.#unsent.isEmpty
  }

  get #isSent(): boolean {
    return !this.#isDirty && this.#birth === undefined && this.#pending.isEmpty
  }

  /** A write sets the time anew (write(2)): what was set before no longer counts. */
  #isTouched(): void {
    this.#writtenAt = localTime()
    this.#pending.written()
    this.#since ??= this.#mount.now()
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
    this.#versions.start(base.version)
  }

  /** @returns `durable` if with the last request everything became as durable as was asked for */
  async #send(durability: Durability): Promise<'sent' | 'durable'> {
    this.#requests.forgetError()
    let last: 'sent' | 'durable' = 'sent'
    for (;;) {
      if (!this.#undecided.isEmpty) await this.#decide()
      else if (this.#pending.isLate && this.#birth === undefined) await this.#yield()
      else if (this.#birth !== undefined) await this.#beBorn(this.#birth, durability)
      else if (this.#isCut) await this.#sendCut(durability)
      else if (!this.#unsent.hasSentAll) await this.#sendNext(durability)
      else if (this.#requests.count > 0) await this.#requests.all()
      else if (!this.#isSent) await this.#sendAttributes()
      else break
      last = durability === 'power' && this.#lastDurability === 'power' ? 'durable' : 'sent'
      this.#requests.throwError()
    }
    this.#since = undefined
    return last
  }

  /** What became of a request that got no answer in time: only what was not made is unsent again. */
  async #decide(): Promise<void> {
    const { cache, files } = this.#mount
    const ticket = cache.ticket()
    const found = await this.#undecided.decide(async (change) =>
      files.made?.(this.#node.ino, change),
    )
    if (found === undefined) return
    const { decided, attributes } = found
    if (attributes === undefined) {
      this.#unsent.putBack(decided.batch)
      return
    }
    this.#unsent.arrived(decided.batch)
    if (decided.isCut) this.#isCut = false
    this.#pending.arrived(decided.attributes)
    this.#confirm(attributes, decided.versions, ticket)
  }

  /** Attributes that are sent late: what somebody else has set meanwhile stays. */
  async #yield(): Promise<void> {
    const now = await this.#mount.files.stat(this.#node.ino)
    const { mode, uid, gid } = now
    const theirs = this.#pending.yieldTo(now)
    this.#base = { ...this.#base, mode, uid, gid }
    if (theirs.length > 0) this.#mount.yielded(this.#node, theirs)
  }

  /** Sends the next part; the last one waits for the others and carries the attributes. */
  async #sendNext(durability: Durability): Promise<void> {
    if (this.#requests.count >= IN_FLIGHT) await this.#requests.one()
    const batch = this.#unsent.take('all', PART_BYTES)
    if (!isEmptyBatch(batch) && !this.#unsent.hasSentAll) {
      void this.#launch(batch, {}, 'process')
      return
    }
    try {
      await this.#requests.all()
    } catch (error) {
      this.#unsent.putBack(batch)
      throw error
    }
    if (!isEmptyBatch(batch)) await this.#launch(batch, this.#pending.take(), durability)
  }

  /** Content of a file that was cut: one request if nothing is missing between its pieces. */
  async #sendCut(durability: Durability): Promise<void> {
    await this.#requests.all()
    const size = this.#size
    if (
      size === 0 ||
      size > PART_BYTES ||
      this.#unsent.hasAppended ||
      !this.#unsent.isAllOf(size)
    ) {
      const ticket = this.#mount.cache.ticket()
      const attributes = await this.#mount.files
        .setAttributes(this.#node.ino, { size: 0 })
        .catch((error: unknown) => {
          this.#undecided.add(error, { isCut: true })
          throw error
        })
      this.#lastDurability = 'process'
      this.#isCut = false
      this.#confirm(attributes, 1, ticket)
      return
    }
    const batch = this.#unsent.take('all', Number.POSITIVE_INFINITY)
    await this.#launch(batch, { ...this.#pending.take(), size }, durability)
    this.#isCut = false
    if (!this.#isDirty) this.#size = this.#base.size
  }

  async #sendAttributes(): Promise<void> {
    const { cache, files } = this.#mount
    const changes = this.#pending.take()
    const ticket = cache.ticket()
    this.#lastDurability = 'process'
    try {
      this.#confirm(await files.setAttributes(this.#node.ino, changes), 0, ticket)
    } catch (error) {
      this.#undecided.add(error, { attributes: changes, versions: 0 })
      this.#pending.putBack(changes, this.#base)
      throw error
    }
  }

  /** A new file: whole if it is short, or else empty, and its bytes as those of any long file. */
  async #beBorn(birth: Birth, durability: Durability): Promise<void> {
    const isWhole = this.#size <= PART_BYTES && this.#unsent.isAllOf(this.#size)
    const room = isWhole ? Number.POSITIVE_INFINITY : 0
    const when = this.#pending.isLate ? 'late' : 'in time'
    const batch = this.#unsent.take('all', room)
    const changes = isWhole ? this.#pending.take() : {}
    const sent = pieces([...batch.written, ...batch.appended])
    const data = sent.map((piece) => piece.data)
    const ticket = this.#mount.cache.ticket()
    try {
      const made = await bear(this.#mount.files, birth, data, { changes, durability })
      this.#mount.written.keep(made, sent)
      this.#lastDurability = durability
      this.#unsent.arrived(batch)
      this.#node.pages = made.version
      this.#isBorn(birth, made, ticket)
      if (!this.#isDirty) this.#size = made.size
    } catch (error) {
      this.#unsent.putBack(batch)
      this.#pending.putBack(changes, this.#base)
      if (!hasCode(error, 'EEXIST')) throw error
      await this.#adopt(birth, error, when)
    }
  }

  /** Somebody else was first: open(2) without O_EXCL then opens theirs. Or it was made before, and the answer did not come in time. */
  async #adopt(birth: Birth, refused: unknown, when: 'late' | 'in time'): Promise<void> {
    const ticket = this.#mount.cache.ticket()
    const there = await this.#mount.files.lookup(birth.directory, birth.name)
    const isOurs = there.ino === this.#node.ino
    if (birth.isExclusive && !isOurs) {
      throw refusal('ESTALE', 'another machine made it while this one was cut off', refused)
    }
    if (there.type !== 'file') throw refused
    this.#isCut = birth.truncates || isOurs
    if (!this.#isCut) this.#size = Math.max(this.#size, there.size)
    this.#isBorn(birth, there, ticket)
    if (!isOurs) {
      if (when === 'in time') this.#pending.areInTime()
      return
    }
    // Another machine may have found it there, and written to it since.
    this.#versions.start(FIRST_VERSION)
    this.#overtakes ??= 'sent late'
  }

  #isBorn(birth: Birth, attributes: WireAttributes, ticket: Ticket): void {
    this.#birth = undefined
    this.#base = attributes
    this.#versions.start(attributes.version)
    this.#mount.born(this.#node, birth, attributes, ticket)
  }

  /** Sends full blocks of a long file while writing goes on. */
  #pump(): void {
    if (this.#unsent.waitingBytes < PUMP_BYTES) return
    if (this.#birth !== undefined || this.#isCut || this.#unsent.hasAppended) {
      this.#requests.unheard(this.flush())
      return
    }
    while (this.#requests.count < IN_FLIGHT && this.#unsent.waitingBytes >= PUMP_BYTES) {
      const batch = this.#unsent.take('full blocks', PART_BYTES)
      if (isEmptyBatch(batch)) return
      this.#requests.unheard(this.#launch(batch, {}, 'process'))
    }
  }

  /** Waits while too much is unsent. */
  async #room(): Promise<void> {
    while (this.bytes > FILE_BYTES) {
      if (this.#requests.count === 0) await this.flush()
      else await this.#requests.one().catch(() => {})
      this.#requests.throwError()
    }
    if (!this.#mount.budget.isExceeded) return
    await this.flush()
    if (this.#mount.budget.isExceeded) await this.#mount.relieve()
  }

  #launch(batch: Batch, changes: WireAttributeChanges, durability: Durability): Promise<void> {
    return this.#requests.add(this.#transmit(batch, changes, durability))
  }

  async #transmit(
    batch: Batch,
    changes: WireAttributeChanges,
    durability: Durability,
  ): Promise<void> {
    const written = pieces(batch.written)
    const parts: RemotePart[] = [...written]
    for (const { data } of pieces(batch.appended)) {
      parts.push({ offset: 'append', data })
    }
    const ticket = this.#mount.cache.ticket()
    try {
      const options = { durability, ...withBytes(changes) }
      const attributes = await this.#mount.files.write(this.#node.ino, parts, options)
      // After a lost answer another machine may have written since.
      const isOurs = this.#requests.count === 1 && this.#versions.isOurs(attributes.version, 1)
      const isKept = isOurs && parts.length === written.length
      this.#mount.written.keep(attributes, isKept ? written : [])
      this.#unsent.arrived(batch)
      this.#lastDurability = durability
      this.#confirm(attributes, 1, ticket, 1)
    } catch (error) {
      const carried = { batch, isCut: this.#isCut, attributes: changes }
      if (!this.#undecided.add(error, carried)) this.#unsent.putBack(batch)
      this.#pending.putBack(changes, this.#base)
      if (isTransient(error)) this.#overtakes ??= 'sent late'
      throw error
    }
  }

  /** Takes in the server's answer to a change of ours. `ending`: of the requests under way, these end with it. */
  #confirm({ made, ...attributes }: Changed, changes: 0 | 1, ticket: Ticket, ending = 0): void {
    this.#versions.made(changes, made ?? attributes.version)
    if (attributes.version >= this.#base.version) this.#base = attributes
    this.#mount.cache.changedTo(this.#base, ticket)
    if (this.#requests.count > ending || !this.#undecided.isEmpty) return
    const { version, size } = this.#base
    const node = this.#node
    if (!this.#versions.isOurs(version)) {
      this.#mount.foreign(node)
      if (this.#overtakes !== undefined && this.#versions.haveOvertaken) {
        this.#mount.overtook(node, this.#overtakes)
      }
    } else if (node.pages === this.#versions.before) node.pages = version
    this.#versions.start(version)
    if (this.#isDirty) return
    this.#size = size
    this.#overtakes = undefined
  }
}
