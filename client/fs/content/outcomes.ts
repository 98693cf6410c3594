import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Ticket } from '../../cache/latest-changes.js'
import type { Changed } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import type { Birth } from './birth.js'
import type { ContentMount } from './content-mount.js'
import type { LocalContent } from './local-content.js'
import type { KnownNode } from './nodes.js'
import type { RequestsUnderWay } from './requests-under-way.js'
import { type Carried, UndecidedChanges } from './undecided.js'
import { Versions } from './versions.js'

/** What a new file has, with all its content. */
export const FIRST_VERSION = 1

/**
 * What became of the changes of one file that were sent: what the server answered, whether its newest version is ours or somebody
 * else's, and what got no answer in time.
 */
export class Outcomes {
  readonly #mount: ContentMount
  readonly #node: KnownNode
  readonly #here: LocalContent
  readonly #requests: RequestsUnderWay
  readonly #versions: Versions
  readonly #undecided = new UndecidedChanges()
  /** What is sent may go over a newer change of another machine that nobody here has seen. */
  #overtakes: 'rewritten here' | 'sent late' | undefined

  constructor(
    mount: ContentMount,
    node: KnownNode,
    here: LocalContent,
    requests: RequestsUnderWay,
  ) {
    this.#mount = mount
    this.#node = node
    this.#here = here
    this.#requests = requests
    this.#versions = new Versions(here.base.version)
  }

  get areDecided(): boolean {
    return this.#undecided.isEmpty
  }

  /** Everything was sent, and this is what the server has now. */
  start(base: WireAttributes): void {
    this.#here.base = base
    this.#here.size = base.size
    this.#versions.start(base.version)
  }

  born(birth: Birth, attributes: WireAttributes, ticket: Ticket): void {
    this.#here.birth = undefined
    this.#here.base = attributes
    this.#versions.start(attributes.version)
    this.#mount.born(this.#node, birth, attributes, ticket)
  }

  /** It was made by an earlier request of ours. Another machine may have found it there, and written to it since. */
  wasBornBefore(): void {
    this.#versions.start(FIRST_VERSION)
    this.#overtakes ??= 'sent late'
  }

  /** The file was cut here: what earlier requests carried is wanted no longer. */
  cut(): void {
    this.#undecided.clear((batch) => this.#here.unsent.arrived(batch))
    if (this.#here.isCut) this.#overtakes = 'rewritten here'
  }

  /** The file is given up here. */
  discard(): void {
    this.#undecided.forget((batch) => this.#here.unsent.arrived(batch))
  }

  /** @returns false if the error says that the server has not made it */
  unanswered(error: unknown, carried: Carried): boolean {
    return this.#undecided.add(error, carried)
  }

  /** It could not be sent now; when it is, another machine may have written meanwhile. */
  delayed(): void {
    this.#overtakes ??= 'sent late'
  }

  /** What became of a request that got no answer in time: only what was not made is unsent again. */
  async decide(): Promise<void> {
    const { cache, files } = this.#mount
    const { unsent, pending } = this.#here
    const ticket = cache.ticket()
    const found = await this.#undecided.decide(async (change) =>
      files.made?.(this.#node.ino, change),
    )
    if (found === undefined) return
    const { decided, attributes } = found
    if (attributes === undefined) {
      unsent.putBack(decided.batch)
      return
    }
    unsent.arrived(decided.batch)
    if (decided.isCut) this.#here.isCut = false
    pending.arrived(decided.attributes)
    this.confirm(attributes, decided.versions, ticket)
  }

  /** Whether somebody else has changed the file since that was written which is not sent. What is on its way may have done it, too. */
  async areOvertaken(): Promise<boolean> {
    await this.#requests.settled()
    try {
      while (!this.areDecided) await this.decide()
      const { version } = await this.#mount.files.stat(this.#node.ino)
      return !this.#versions.isOurs(version)
    } catch (error) {
      // somebody else has removed it
      if (hasCode(error, 'ESTALE', 'ENOENT')) return true
      throw error
    }
  }

  /** Whether a version that was just answered is of our only request. After a lost answer another machine may have written since. */
  isOfOurs(version: number): boolean {
    return this.#requests.count === 1 && this.#versions.isOurs(version, 1)
  }

  /** Takes in the server's answer to a change of ours. `ending`: of the requests under way, these end with it. */
  confirm({ made, ...attributes }: Changed, changes: 0 | 1, ticket: Ticket, ending = 0): void {
    this.#versions.made(changes, made ?? attributes.version)
    if (attributes.version >= this.#here.base.version) this.#here.base = attributes
    this.#mount.cache.changedTo(this.#here.base, ticket)
    if (this.#requests.count > ending || !this.#undecided.isEmpty) return
    const { version, size } = this.#here.base
    const node = this.#node
    if (!this.#versions.isOurs(version)) {
      this.#mount.foreign(node)
      if (this.#overtakes !== undefined && this.#versions.haveOvertaken) {
        this.#mount.overtook(node, this.#overtakes)
      }
    } else {
      if (node.pages === this.#versions.before) node.pages = version
      if (node.readSince === this.#versions.before) node.readSince = version
    }
    this.#versions.start(version)
    if (this.#here.isDirty) return
    this.#here.size = size
    this.#overtakes = undefined
  }
}
