import type { WireAttributes } from '../../server/wire.js'
import { orRemembered } from '../away.js'
import { ABSENT, type Cache } from '../cache.js'
import type { FuseEntry } from '../fuse/filesystem.js'
import type { Soon } from '../fuse/soon.js'
import type { Ticket } from '../latest-changes.js'
import type { NameChange } from '../name-change.js'
import type { LeaseWish, RemoteFiles, RemoteNew, RemoteNewAttributes } from '../remote-files.js'
import { hasCode, refusal } from './answer.js'
import type { ListingsAhead } from './listings-ahead.js'
import { ListingsForNames } from './listings-for-names.js'
import type { KnownNode, Nodes } from './nodes.js'
import type { Orphans } from './orphans.js'
import type { Removals } from './removals.js'
import type { Unborn } from './unborn.js'
import type { View } from './view.js'

export interface NamesMount {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly nodes: Nodes
  readonly unborn: Unborn
  readonly view: View
  readonly removals: Removals
  readonly orphans: Orphans
  readonly listings: Pick<ListingsAhead, 'coming' | 'isListed'>
  observe(attributes: WireAttributes): void
}

export interface Place {
  readonly directory: number
  readonly name: string
}

/** limits.h; a complete listing must not answer ENOENT to what can never be in it. */
const NAME_MAX = 255

/** Names in directories: looked up in the cache, in listings and on the server; changed on the server, then in the cache. */
export class Names {
  readonly #mount: NamesMount
  readonly #listings: ListingsForNames

  constructor(mount: NamesMount, now: () => number) {
    this.#mount = mount
    this.#listings = new ListingsForNames(mount, now)
  }

  lookup(place: Place): Soon<FuseEntry> {
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
    if (born?.content !== undefined) return view.localEntry(born, born.content.attributes())
    return found.kind === 'absent'
      ? view.absent(found.milliseconds)
      : view.entry(place.directory, found.attributes, found.nameMilliseconds, found.milliseconds)
  }

  async make(
    place: Place,
    what: RemoteNew,
    attributes: RemoteNewAttributes,
    lease?: LeaseWish,
  ): Promise<Named> {
    const { files, cache, unborn } = this.#mount
    await unborn.send(place.directory, place.name)
    const ticket = cache.ticket()
    const made = await this.#changing(place, () =>
      files.make(place.directory, place.name, what, attributes, lease),
    )
    const subdirectories = what.type === 'directory' ? 1 : 0
    if (what.type === 'directory') cache.learnComplete(made.ino, [], ticket)
    return this.#named(place, made, { time: made.crtime, subdirectories }, ticket)
  }

  async link(ino: number, place: Place): Promise<Named> {
    const { files, cache, unborn } = this.#mount
    await unborn.send(place.directory, place.name)
    const ticket = cache.ticket()
    const linked = await this.#changing(place, () => files.link(ino, place.directory, place.name))
    return this.#named(place, linked, { time: linked.ctime, subdirectories: 0 }, ticket)
  }

  #named(
    { directory, name }: Place,
    attributes: WireAttributes,
    change: NameChange,
    ticket: Ticket,
  ): Named {
    const { cache } = this.#mount
    return {
      attributes,
      nameMilliseconds: cache.changedName(directory, name, attributes.ino, change, ticket),
      milliseconds: cache.changedTo(attributes, ticket),
    }
  }

  async remove(place: Place, kind: 'unlink' | 'rmdir'): Promise<void> {
    const { files, cache, unborn, removals, orphans } = this.#mount
    await unborn.send(place.directory, place.name)
    const ticket = cache.ticket()
    const ino = await this.#standing(place)
    if (kind === 'rmdir') await unborn.sendAll(ino)
    const held = this.#held(ino)
    const subdirectories = kind === 'rmdir' ? -1 : 0
    if (held === undefined && this.#isSure(place, ino, kind)) {
      const time = removals.timeAfter(cache.lastAttributes(place.directory)?.ctime ?? '0')
      this.#removed(place, ino, { time, subdirectories }, cache.ticket())
      cache.changed(ino)
      removals.add({ ...place, ino, kind, time, ticket: cache.ticket() })
      return
    }
    const left = await this.#changing(place, () =>
      files.remove(place.directory, place.name, kind, { keep: held !== undefined }),
    )
    removals.learn('removed')
    this.#removed(place, ino, left && { time: left.ctime, subdirectories }, ticket)
    if (left !== undefined && left.nlink > 0) cache.changedTo(left, ticket)
    else cache.changed(ino)
    if (held === undefined) return
    if (left?.nlink === 0 || (await isNameless(files, ino))) await orphans.add(held)
  }

  #removed(
    { directory, name }: Place,
    ino: number,
    change: NameChange | undefined,
    ticket: Ticket,
  ): void {
    const { cache } = this.#mount
    cache.changedName(directory, name, ABSENT, change, ticket)
    if (change?.subdirectories !== 0) cache.forgetNames(ino)
    this.#leaves(ino)
  }

  /** A directory without a name is empty for ever; the kernel sees to that, if it is told what it was (rmdir(2)). */
  #leaves(ino: number): void {
    const { cache, nodes } = this.#mount
    const node = nodes.of(ino)
    const last = cache.lastAttributes(ino)
    if (node !== undefined && last?.type === 'directory') node.removed = { ...last, nlink: 0 }
  }

  /**
   * Whether a removal will succeed as far as anybody can know beforehand: we are told what others change, and by that it stands
   * there, empty if it is a directory. Then nobody need wait for it.
   */
  #isSure({ directory, name }: Place, ino: number, kind: 'unlink' | 'rmdir'): boolean {
    const { cache, removals } = this.#mount
    if (!cache.isVouched || !removals.hasRoom) return false
    if (cache.name(directory, name)?.value !== ino) return false
    return kind === 'unlink' || cache.allNames(ino)?.length === 0
  }

  async rename(from: Place, to: Place, mode: 'replace' | 'noreplace' | 'exchange'): Promise<void> {
    const { files, cache, unborn, orphans } = this.#mount
    await unborn.send(from.directory, from.name)
    await unborn.send(to.directory, to.name)
    const ticket = cache.ticket()
    const moved = await this.#standing(from)
    const target = cache.lastName(to.directory, to.name) ?? ABSENT
    const replaced = target === moved ? ABSENT : target
    if (replaced !== ABSENT) await unborn.sendAll(replaced)
    const held = this.#held(replaced)
    const gone = mode === 'exchange' ? replaced : ABSENT
    const answer = await this.#changing(from, () =>
      files.rename(from, to, { mode, keep: held !== undefined }),
    )
    // Links between directories may have changed with it: only a file's move is as simple as that.
    const change =
      answer !== undefined && answer.type !== 'directory' && mode !== 'exchange'
        ? ({ time: answer.ctime, subdirectories: 0 } as const)
        : undefined
    cache.changedName(from.directory, from.name, gone, change, ticket)
    cache.changedName(to.directory, to.name, answer?.ino ?? moved, change, ticket)
    // Something stands at the old name now, and nobody here knows what.
    if (mode === 'exchange' && gone === ABSENT && target === ABSENT)
      cache.forgetNames(from.directory)
    if (answer?.ino === moved) cache.changedTo(answer, ticket)
    else cache.changed(moved)
    if (replaced === ABSENT) return
    if (mode !== 'exchange') this.#leaves(replaced)
    cache.changed(replaced)
    if (held === undefined || mode === 'exchange') return
    if (await isNameless(files, replaced)) await orphans.add(held)
  }

  #fromCache({ directory, name }: Place): FuseEntry | undefined {
    const { cache, unborn, view } = this.#mount
    const node = unborn.at(directory, name)
    if (node?.content !== undefined) return view.localEntry(node, node.content.attributes())
    const known = cache.name(directory, name)
    if (known === undefined) return undefined
    if (known.value === ABSENT) return view.absent(known.milliseconds)
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
      return view.absent(0)
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

  /** What stands at a place that the kernel knows to exist. */
  async #standing(place: Place): Promise<number> {
    const { files, cache } = this.#mount
    const last = cache.lastName(place.directory, place.name)
    if (last !== undefined && last !== ABSENT) return last
    const ticket = cache.ticket()
    const attributes = await files.lookup(place.directory, place.name)
    cache.learn(attributes, ticket)
    return attributes.ino
  }

  /** What must stay usable by number: it is open here, or not all of it is sent. */
  #held(ino: number): KnownNode | undefined {
    const node = this.#mount.nodes.of(ino)
    if (node === undefined) return undefined
    return node.opens > 0 || node.content?.isClean === false ? node : undefined
  }

  /** After a refusal what we believed of the directory may be what was wrong. */
  async #changing<T>({ directory }: Place, change: () => Promise<T>): Promise<T> {
    try {
      return await change()
    } catch (error) {
      this.#mount.cache.changed(directory)
      this.#mount.cache.forgetNames(directory)
      throw error
    }
  }
}

/** What stands under a name, and for how long the name and the attributes may be believed. */
interface Named {
  readonly attributes: WireAttributes
  readonly nameMilliseconds: number
  readonly milliseconds: number
}

type Found =
  | { readonly kind: 'absent'; readonly milliseconds: number }
  | ({ readonly kind: 'present' } & Named)

async function isNameless(files: RemoteFiles, ino: number): Promise<boolean> {
  try {
    return (await files.stat(ino)).nlink === 0
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESTALE')) return true
    throw error
  }
}
