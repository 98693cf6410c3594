import { NAME_MAX, type WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import { ABSENT } from '../../cache/known.js'
import type { FuseEntry } from '../../fuse/filesystem.js'
import type { Soon } from '../../fuse/soon.js'
import { orRemembered } from '../../or-remembered.js'
import type { RemoteFiles } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import { refusal } from '../answer.js'
import type { ListingsAhead } from './listings-ahead.js'
import { ListingsForNames } from './listings-for-names.js'
import type { Unborn } from './unborn.js'
import type { View } from './view.js'

export interface LookupsMount {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly unborn: Unborn
  readonly view: View
  readonly listings: Pick<ListingsAhead, 'coming' | 'isListed'>
  observe(attributes: WireAttributes): void
}

export interface Place {
  readonly directory: number
  readonly name: string
}

/** What stands under a name, and for how long the name and the attributes may be believed. */
export interface Named {
  readonly attributes: WireAttributes
  readonly nameMilliseconds: number
  readonly milliseconds: number
}

type Found =
  | { readonly kind: 'absent'; readonly milliseconds: number }
  | ({ readonly kind: 'present' } & Named)

/** Names are found among new files, in the cache, in listings, and on the server. */
export class Lookups {
  readonly #mount: LookupsMount
  readonly #listings: ListingsForNames

  constructor(mount: LookupsMount, now: () => number) {
    this.#mount = mount
    this.#listings = new ListingsForNames(mount, now)
  }

  lookup(place: Place): Soon<FuseEntry> {
    // A complete listing must not answer ENOENT to what can never be in it.
    if (Buffer.byteLength(place.name) > NAME_MAX)
      throw refusal('ENAMETOOLONG', `a name has at most ${NAME_MAX} bytes`)
    return this.#fromCache(place) ?? this.#whileAway(place) ?? this.#askOrRemember(place)
  }

  /** With a journal nobody waits for an answer once the server is away. */
  #askOrRemember(place: Place): Promise<FuseEntry> {
    const asked = this.#ask(place)
    if (this.#mount.files.isAway === undefined) return asked
    return orRemembered(asked, () => this.#whileAway(place))
  }

  async #ask(place: Place): Promise<FuseEntry> {
    const { unborn, view } = this.#mount
    if (this.#listings.isOften(place.directory) && (await this.#listings.all(place.directory))) {
      const listed = this.#fromCache(place)
      if (listed !== undefined) return listed
    }
    const found = await this.#fetch(place)
    const born = unborn.at(place.directory, place.name)
    if (born?.content !== undefined)
      return view.localEntry(place.directory, born, born.content.attributes())
    return found.kind === 'absent'
      ? view.absent(place.directory, found.milliseconds)
      : view.entry(place.directory, found.attributes, found.nameMilliseconds, found.milliseconds)
  }

  #fromCache({ directory, name }: Place): FuseEntry | undefined {
    const { cache, unborn, view } = this.#mount
    const node = unborn.at(directory, name)
    if (node?.content !== undefined)
      return view.localEntry(directory, node, node.content.attributes())
    const known = cache.name(directory, name)
    if (known === undefined) return undefined
    if (known.value === ABSENT) {
      cache.toldAbsent(directory, name)
      return view.absent(directory, known.milliseconds)
    }
    const attributes = cache.attributes(known.value)
    if (attributes === undefined) return undefined
    return view.entry(directory, attributes.value, known.milliseconds, attributes.milliseconds)
  }

  /** With a journal a program goes on while the server is away, with what was last known. */
  #whileAway({ directory, name }: Place): FuseEntry | undefined {
    const { cache, files, view } = this.#mount
    if (files.isAway?.() !== true) return undefined
    const last = cache.lastName(directory, name)
    if (last === ABSENT || (last === undefined && cache.wasComplete(directory))) {
      return view.absent(directory, 0)
    }
    const attributes = last === undefined ? undefined : cache.lastAttributes(last)
    return attributes && view.entry(directory, attributes, 0, 0)
  }

  async #fetch({ directory, name }: Place): Promise<Found> {
    const { files, cache } = this.#mount
    const ticket = cache.ticket()
    try {
      const attributes = await files.lookup(directory, name)
      this.#mount.observe(attributes)
      return {
        kind: 'present',
        attributes,
        nameMilliseconds: cache.learnName(directory, name, attributes.ino, ticket),
        milliseconds: cache.learn(attributes, ticket),
      }
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      return { kind: 'absent', milliseconds: cache.learnName(directory, name, ABSENT, ticket) }
    }
  }
}
