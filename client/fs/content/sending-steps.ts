import type { WireAttributeChanges, WireAttributes } from '../../../server/wire/inodes.js'
import type { RemotePart, WriteOptions } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import { isTransient, refusal } from '../answer.js'
import { withBytes } from '../time.js'
import { type Birth, bear } from './birth.js'
import type { ContentMount } from './content-mount.js'
import { pieces } from './dirty-blocks.js'
import type { LocalContent } from './local-content.js'
import type { KnownNode } from './nodes.js'
import { FIRST_VERSION, type Outcomes } from './outcomes.js'
import { yielded } from './pending-attributes.js'
import type { RequestsUnderWay } from './requests-under-way.js'
import type { Batch } from './unsent.js'

export type Durability = WriteOptions['durability']

/** One request carries this much of a long file. */
export const PART_BYTES = 4 << 20

/** The requests by which what one file has here comes to the server. What one of them cannot bring there waits again. */
export class SendingSteps {
  readonly #mount: ContentMount
  readonly #node: KnownNode
  readonly #here: LocalContent
  readonly #requests: RequestsUnderWay
  readonly #outcomes: Outcomes
  #sendsAttributes = false
  /** What the last one asked for. */
  lastDurability: Durability = 'process'

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

  /** Bytes, and attributes with them. */
  bytes(batch: Batch, changes: WireAttributeChanges, durability: Durability): Promise<void> {
    return this.#requests.add(this.#transmit(batch, changes, durability))
  }

  /** Content of a file that was cut: one request if nothing is missing between its pieces. */
  async cut(durability: Durability): Promise<void> {
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
      this.lastDurability = durability
      this.#here.isCut = false
      this.#outcomes.confirm(attributes, 1, ticket)
      return
    }
    const batch = this.#here.unsent.take('all', Number.POSITIVE_INFINITY)
    await this.bytes(batch, { ...this.#here.pending.take(), size }, durability)
    this.#here.isCut = false
    if (!this.#here.isDirty) this.#here.size = this.#here.base.size
  }

  /** Times that are late are not for what somebody else has written since. */
  async attributes(durability: Durability): Promise<void> {
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
      this.lastDurability = durability
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
  async birth(birth: Birth, durability: Durability): Promise<void> {
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
      // after a lost answer another machine may have written since
      const isOurs = made.version === FIRST_VERSION
      this.#mount.written.keep(made, isOurs ? sent : [])
      this.lastDurability = durability
      this.#here.unsent.arrived(batch)
      if (isOurs) this.#node.pages = made.version
      else this.#mount.foreign(this.#node)
      this.#outcomes.born(birth, made, ticket)
      if (!this.#here.isDirty) this.#here.size = made.size
    } catch (error) {
      this.#here.unsent.putBack(batch)
      this.#here.pending.putBack(changes, this.#here.base)
      if (!hasCode(error, 'EEXIST', 'EINVAL')) throw error
      await this.#adopt(birth, error, when)
    }
  }

  /** Somebody else was first: open(2) without O_EXCL then opens theirs. Or it was made before, and the answer did not come in time. */
  async #adopt(birth: Birth, refused: unknown, when: 'late' | 'in time'): Promise<void> {
    const ticket = this.#mount.cache.ticket()
    const there = await this.#standing(birth)
    const made = there?.ino === this.#node.ino ? there : await this.#madeBefore(refused)
    if (made !== undefined) {
      this.#here.isCut = true
      this.#outcomes.born(birth, made, ticket)
      if (made !== there) this.#mount.forsaken(birth)
      this.#outcomes.wasBornBefore()
      return
    }
    if (there === undefined) {
      // What had the name has gone: the next try may succeed.
      if (hasCode(refused, 'EEXIST')) return
      throw refused
    }
    if (birth.isExclusive) {
      throw refusal('ESTALE', 'another machine made it while this one was cut off', refused)
    }
    if (there.type !== 'file') throw refused
    this.#here.isCut = birth.truncates
    if (!this.#here.isCut) this.#here.size = Math.max(this.#here.size, there.size)
    this.#outcomes.born(birth, there, ticket)
    if (when === 'in time') this.#here.pending.areInTime()
    else this.#mount.yielded(this.#node, this.#here.pending.yield())
  }

  async #standing({ directory, name }: Birth): Promise<WireAttributes | undefined> {
    try {
      return await this.#mount.files.lookup(directory, name)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** Nobody else can have made a file of this number, wherever others have moved it since. @throws ESTALE if they have removed it */
  async #madeBefore(refused: unknown): Promise<WireAttributes | undefined> {
    try {
      return await this.#mount.files.stat(this.#node.ino)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      if (!hasCode(error, 'ESTALE')) throw error
      throw refusal('ESTALE', 'another machine has removed it since it was made', refused)
    }
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
      this.lastDurability = durability
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
