import type { WireAttributeChanges } from '../../server/wire.js'
import type { RemotePart, WriteOptions } from '../remote-files.js'
import { hasCode, isTransient, refusal } from './answer.js'
import { type Birth, bear } from './birth.js'
import type { ContentMount } from './content-mount.js'
import { pieces } from './dirty-blocks.js'
import type { LocalContent } from './local-content.js'
import type { KnownNode } from './nodes.js'
import type { Outcomes } from './outcomes.js'
import { yielded } from './pending-attributes.js'
import type { RequestsUnderWay } from './requests-under-way.js'
import { withBytes } from './time.js'
import { type Batch, isEmptyBatch } from './unsent.js'

type Durability = WriteOptions['durability']

/** One request carries this much of a long file. */
const PART_BYTES = 4 << 20
/** While a file is written its full blocks are sent once there are this many bytes. */
const PUMP_BYTES = 6 << 20
/** Requests under way for one file. */
const IN_FLIGHT = 4

/**
 * How what one file has here comes to the server. Long files are sent in parts while writing goes on; the rest, and the
 * attributes with it, in one request at flush. What cannot be sent stays where it is, and the next flush tries again.
 */
export class Sending {
  readonly #mount: ContentMount
  readonly #node: KnownNode
  readonly #here: LocalContent
  readonly #requests: RequestsUnderWay
  readonly #outcomes: Outcomes
  #lastDurability: Durability = 'process'
  #sendsAttributes = false
  /** Full blocks wait until it is known whether they may be sent. */
  #isAsking = false

  constructor(
    mount: ContentMount,
    node: KnownNode,
    here: LocalContent,
    requests: RequestsUnderWay,
    outcomes: Outcomes,
  ) {
    this.#mount = mount
    this.#node = node
    this.#here = here
    this.#requests = requests
    this.#outcomes = outcomes
  }

  /** Attributes alone are under way: they are no longer pending, and not yet what the server has told. */
  get sendsAttributes(): boolean {
    return this.#sendsAttributes
  }

  /** Resolves once everything written before is on the server; rejects with the server's refusal. */
  flush(): Promise<void> {
    return this.#afterAsking(() => this.#send('process'))
  }

  /** Resolves once it is on the server's disk. */
  sync(): Promise<void> {
    return this.#afterAsking(async () => {
      const isLast = await this.#send(this.#mount.files.journals === true ? 'process' : 'power')
      if (isLast === 'durable') return
      await this.#mount.files.sync(this.#node.ino)
    })
  }

  /** Sends full blocks of a long file while writing goes on. */
  pump(): void {
    const { unsent, birth, isCut } = this.#here
    if (unsent.waitingBytes < PUMP_BYTES) return
    if (birth !== undefined || isCut || unsent.hasAppended) {
      this.#requests.unheard(this.flush())
      return
    }
    if (this.#isAsking) return
    const asked = this.#asked()
    if (asked !== undefined) {
      this.#requests.unheard(this.#pumpAfter(asked))
      return
    }
    while (this.#requests.count < IN_FLIGHT && unsent.waitingBytes >= PUMP_BYTES) {
      const batch = unsent.take('full blocks', PART_BYTES)
      if (isEmptyBatch(batch)) return
      this.#requests.unheard(this.#launch(batch, {}, 'process'))
    }
  }

  async #pumpAfter(asked: Promise<void>): Promise<void> {
    this.#isAsking = true
    try {
      await asked
    } finally {
      this.#isAsking = false
    }
    this.pump()
  }

  /** Not in turn: what is found out may be that all is to be given up. */
  #afterAsking(work: () => Promise<unknown>): Promise<void> {
    const inTurn = () => this.#requests.inTurn(work)
    const { isSent } = this.#here
    const asked = isSent ? undefined : this.#asked()
    return asked === undefined ? inTurn() : asked.then(inTurn)
  }

  /** Undefined if nothing is in doubt. Without an answer what was to be sent is late, as after a request that failed. */
  #asked(): Promise<void> | undefined {
    return this.#mount.beforeSending(this.#node)?.catch((error: unknown) => {
      this.#here.pending.areLate(this.#here.base)
      if (isTransient(error)) this.#outcomes.delayed()
      throw error
    })
  }

  /** @returns `durable` if with the last request everything became as durable as was asked for */
  async #send(durability: Durability): Promise<'sent' | 'durable'> {
    this.#requests.forgetError()
    let last: 'sent' | 'durable' = 'sent'
    for (;;) {
      if (!this.#outcomes.areDecided) await this.#decide()
      else if (this.#here.birth !== undefined) await this.#beBorn(this.#here.birth, durability)
      else if (this.#here.isCut) await this.#sendCut(durability)
      else if (!this.#here.unsent.hasSentAll) await this.#sendNext(durability)
      else if (this.#requests.count > 0) await this.#requests.all()
      else if (!this.#here.isSent) await this.#sendAttributes(durability)
      else break
      last = durability === 'power' && this.#lastDurability === 'power' ? 'durable' : 'sent'
      this.#requests.throwError()
    }
    this.#here.allSent()
    return last
  }

  /** What is found to be done may have been done just now, and need not be on the disk. */
  async #decide(): Promise<void> {
    this.#lastDurability = 'process'
    await this.#outcomes.decide()
  }

  /** Sends the next part; the last one waits for the others and carries the attributes. */
  async #sendNext(durability: Durability): Promise<void> {
    if (this.#requests.count >= IN_FLIGHT) await this.#requests.one()
    const batch = this.#here.unsent.take('all', PART_BYTES)
    if (!isEmptyBatch(batch) && !this.#here.unsent.hasSentAll) {
      void this.#launch(batch, {}, 'process')
      return
    }
    try {
      await this.#requests.all()
    } catch (error) {
      this.#here.unsent.putBack(batch)
      throw error
    }
    if (!isEmptyBatch(batch)) await this.#launch(batch, this.#here.pending.take(), durability)
  }

  /** Content of a file that was cut: one request if nothing is missing between its pieces. */
  async #sendCut(durability: Durability): Promise<void> {
    await this.#requests.all()
    const size = this.#here.size
    if (
      size === 0 ||
      size > PART_BYTES ||
      this.#here.unsent.hasAppended ||
      !this.#here.unsent.isAllOf(size)
    ) {
      const ticket = this.#mount.cache.ticket()
      const attributes = await this.#mount.files
        .setAttributes(this.#node.ino, { size: 0 }, { durability })
        .catch((error: unknown) => {
          this.#outcomes.unanswered(error, { isCut: true })
          throw error
        })
      this.#lastDurability = durability
      this.#here.isCut = false
      this.#outcomes.confirm(attributes, 1, ticket)
      return
    }
    const batch = this.#here.unsent.take('all', Number.POSITIVE_INFINITY)
    await this.#launch(batch, { ...this.#here.pending.take(), size }, durability)
    this.#here.isCut = false
    if (!this.#here.isDirty) this.#here.size = this.#here.base.size
  }

  /** Times that are late are not for what somebody else has written since. */
  async #sendAttributes(durability: Durability): Promise<void> {
    const { cache, files } = this.#mount
    const { pending, base } = this.#here
    const areTimesLate = pending.isLate && files.journals !== true
    const changes = pending.take()
    const { atime, mtime, ...others } = changes
    const isAboutContent = areTimesLate && (atime !== undefined || mtime !== undefined)
    const condition = isAboutContent ? { ifMatch: base.etag } : {}
    const ticket = cache.ticket()
    this.#sendsAttributes = true
    try {
      const asked = { durability, ...condition }
      const attributes = await files.setAttributes(this.#node.ino, changes, asked)
      this.#lastDurability = durability
      this.#mount.yielded(this.#node, yielded(changes, attributes))
      this.#outcomes.confirm(attributes, 0, ticket)
    } catch (error) {
      if (isAboutContent && hasCode(error, 'ESTALE')) {
        pending.putBack(others, base)
        this.#mount.yielded(this.#node, ['times'])
        return
      }
      this.#outcomes.unanswered(error, { attributes: changes, versions: 0 })
      pending.putBack(changes, base)
      throw error
    } finally {
      this.#sendsAttributes = false
    }
  }

  /** A new file: whole if it is short, or else empty, and its bytes as those of any long file. */
  async #beBorn(birth: Birth, durability: Durability): Promise<void> {
    const isWhole = this.#here.size <= PART_BYTES && this.#here.unsent.isAllOf(this.#here.size)
    const room = isWhole ? Number.POSITIVE_INFINITY : 0
    const when = this.#here.pending.isLate ? 'late' : 'in time'
    const batch = this.#here.unsent.take('all', room)
    const changes = isWhole ? this.#here.pending.take() : {}
    const sent = pieces([...batch.written, ...batch.appended])
    const data = sent.map((piece) => piece.data)
    const ticket = this.#mount.cache.ticket()
    try {
      const made = await bear(this.#mount.files, birth, data, { changes, durability })
      this.#mount.written.keep(made, sent)
      this.#lastDurability = durability
      this.#here.unsent.arrived(batch)
      this.#node.pages = made.version
      this.#outcomes.born(birth, made, ticket)
      if (!this.#here.isDirty) this.#here.size = made.size
    } catch (error) {
      this.#here.unsent.putBack(batch)
      this.#here.pending.putBack(changes, this.#here.base)
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
    this.#here.isCut = birth.truncates || isOurs
    if (!this.#here.isCut) this.#here.size = Math.max(this.#here.size, there.size)
    this.#outcomes.born(birth, there, ticket)
    if (isOurs) this.#outcomes.wasBornBefore()
    else if (when === 'in time') this.#here.pending.areInTime()
    else this.#mount.yielded(this.#node, this.#here.pending.yield())
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
      const isKept = parts.length === written.length && this.#outcomes.isOfOurs(attributes.version)
      this.#mount.written.keep(attributes, isKept ? written : [])
      this.#here.unsent.arrived(batch)
      this.#lastDurability = durability
      this.#mount.yielded(this.#node, yielded(changes, attributes))
      this.#outcomes.confirm(attributes, 1, ticket, 1)
    } catch (error) {
      const carried = { batch, isCut: this.#here.isCut, attributes: changes }
      if (!this.#outcomes.unanswered(error, carried)) this.#here.unsent.putBack(batch)
      this.#here.pending.putBack(changes, this.#here.base)
      if (isTransient(error)) this.#outcomes.delayed()
      throw error
    }
  }
}
