import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import { ABSENT } from '../../cache/known.js'
import type { Ticket } from '../../cache/latest-changes.js'
import type { NameChange } from '../../cache/name-change.js'
import type {
  LeaseWish,
  RemoteFiles,
  RemoteNew,
  RemoteNewAttributes,
} from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import type { KnownNode, Nodes } from '../content/nodes.js'
import type { Unawaited } from '../requests/unawaited.js'
import type { Named, Place } from './lookups.js'
import { LosingNames } from './losing-names.js'
import type { Orphans } from './orphans.js'
import type { Unborn } from './unborn.js'

export interface NamesMount {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly nodes: Nodes
  readonly unborn: Unborn
  readonly unawaited: Unawaited
  readonly orphans: Orphans
}

/** Inodes that a rename is about, or ABSENT. */
interface Renamed {
  readonly moved: number
  /** What stands at the new name; `replaced` if it is not the same. */
  readonly target: number
  readonly replaced: number
  /** Of what is replaced, if the server must keep it. */
  readonly held: KnownNode | undefined
}

/** Names in directories are changed on the server, then in the cache. Lookups finds them. */
export class Names {
  readonly losing = new LosingNames()
  readonly #mount: NamesMount

  constructor(mount: NamesMount) {
    this.#mount = mount
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
      files.make(place.directory, place.name, what, attributes, { lease }),
    )
    const subdirectories = what.type === 'directory' ? 1 : 0
    if (what.type === 'directory') cache.learnComplete(made.ino, [], ticket)
    return this.#named(place, made, { time: made.crtime, subdirectories }, ticket)
  }

  async link(ino: number, place: Place): Promise<Named> {
    const { files, cache, unborn } = this.#mount
    await unborn.send(place.directory, place.name)
    await this.#lateSent(ino)
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
    const { cache, unborn, unawaited } = this.#mount
    await unborn.send(place.directory, place.name)
    const ticket = cache.ticket()
    const ino = await this.#standing(place)
    if (kind === 'rmdir') await unborn.sendAll(ino)
    const held = this.#held(ino)
    const subdirectories = kind === 'rmdir' ? -1 : 0
    if (held === undefined && this.#isSure(place, ino, kind)) {
      const time = unawaited.timeAfter(cache.lastAttributes(place.directory)?.ctime ?? '0')
      this.#removed(place, ino, { time, subdirectories }, cache.ticket())
      cache.changed(ino)
      unawaited.add({ ...place, ino, kind, time, ticket: cache.ticket() })
      return
    }
    const removed = () => this.#removeNow(place, ino, kind, held, ticket)
    await (held === undefined ? this.losing.during(ino, removed) : removed())
  }

  async #removeNow(
    place: Place,
    ino: number,
    kind: 'unlink' | 'rmdir',
    held: KnownNode | undefined,
    ticket: Ticket,
  ): Promise<void> {
    const { files, cache, unawaited, orphans } = this.#mount
    const subdirectories = kind === 'rmdir' ? -1 : 0
    const left = await this.#changing(place, () =>
      files.remove(place.directory, place.name, kind, { keep: held !== undefined }),
    )
    unawaited.learn('done')
    this.#removed(place, ino, left && { time: left.ctime, subdirectories }, ticket, left)
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
    left?: WireAttributes,
  ): void {
    const { cache } = this.#mount
    cache.changedName(directory, name, ABSENT, change, ticket)
    if (change?.subdirectories !== 0) cache.removed(ino)
    this.#leaves(ino, left)
  }

  /**
   * Of what has no name any more and no content on the server the kernel knows all it needs, if it is told what it was: a directory is
   * empty for ever (rmdir(2)), and who has a FIFO open reads and writes here.
   */
  #leaves(ino: number, left?: WireAttributes): void {
    const { cache, nodes } = this.#mount
    const node = nodes.of(ino)
    const last = cache.lastAttributes(ino)
    if (node === undefined || last === undefined || last.type === 'file') return
    const names = left?.nlink ?? (cache.attributes(ino)?.value.nlink ?? Number.NaN) - 1
    if (last.type === 'directory' || names === 0) node.removed = { ...last, nlink: 0 }
  }

  /**
   * Whether a removal will succeed as far as anybody can know beforehand: we are told what others change, and by that it stands
   * there, empty if it is a directory. Then nobody need wait for it.
   */
  #isSure({ directory, name }: Place, ino: number, kind: 'unlink' | 'rmdir'): boolean {
    const { cache, unawaited } = this.#mount
    if (!cache.isVouched || !unawaited.hasRoom('removal')) return false
    if (cache.name(directory, name)?.value !== ino) return false
    return kind === 'unlink' || cache.allNames(ino)?.length === 0
  }

  async rename(from: Place, to: Place, mode: 'replace' | 'noreplace' | 'exchange'): Promise<void> {
    const { cache, unborn } = this.#mount
    await unborn.send(from.directory, from.name)
    await unborn.send(to.directory, to.name)
    const ticket = cache.ticket()
    const moved = await this.#standing(from)
    const target = await this.#displaced(to)
    for (const ino of mode === 'exchange' ? [moved, target] : [moved]) await this.#lateSent(ino)
    const replaced = target === moved ? ABSENT : target
    if (replaced !== ABSENT) await unborn.sendAll(replaced)
    const held = this.#held(replaced)
    const renamed = () => this.#renameNow(from, to, mode, { moved, target, replaced, held }, ticket)
    const isLosing = replaced !== ABSENT && held === undefined && mode !== 'exchange'
    await (isLosing ? this.losing.during(replaced, renamed) : renamed())
  }

  async #renameNow(
    from: Place,
    to: Place,
    mode: 'replace' | 'noreplace' | 'exchange',
    { moved, target, replaced, held }: Renamed,
    ticket: Ticket,
  ): Promise<void> {
    const { files, cache, orphans } = this.#mount
    const gone = mode === 'exchange' ? replaced : ABSENT
    const answer = await this.#changing(from, () =>
      files.rename(from, to, { mode, keep: held !== undefined }),
    )
    const change =
      answer !== undefined && mode !== 'exchange' ? changes(answer, from, to, replaced) : undefined
    cache.changedName(from.directory, from.name, gone, change?.from, ticket)
    cache.changedName(to.directory, to.name, answer?.ino ?? moved, change?.to, ticket)
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

  /** What stands at a place that the kernel knows to exist. */
  async #standing(place: Place): Promise<number> {
    const { cache } = this.#mount
    const last = cache.lastName(place.directory, place.name)
    return last !== undefined && last !== ABSENT ? last : this.#lookedUp(place)
  }

  /** What a rename replaces or exchanges, if anything: were it open, and we did not know, the server would not keep it. */
  async #displaced(place: Place): Promise<number> {
    const last = this.#mount.cache.lastName(place.directory, place.name)
    if (last !== undefined) return last
    try {
      return await this.#lookedUp(place)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return ABSENT
      throw error
    }
  }

  async #lookedUp(place: Place): Promise<number> {
    const { files, cache } = this.#mount
    const ticket = cache.ticket()
    const attributes = await files.lookup(place.directory, place.name)
    cache.learn(attributes, ticket)
    return attributes.ino
  }

  /** A program was told that its mode is set, and may trust in that where it gives it another name: so that is set before. */
  async #lateSent(ino: number): Promise<void> {
    const content = this.#mount.nodes.of(ino)?.content
    if (content?.hasLateAttributes === true) await content.flush()
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

/** What a rename does to the directories, of which each counts those that it has as links. Undefined where only the server knows. */
function changes(
  { type, ctime: time }: WireAttributes,
  from: Place,
  to: Place,
  replaced: number,
): { readonly from: NameChange; readonly to: NameChange } | undefined {
  const same = { time, subdirectories: 0 } as const
  if (type !== 'directory') return { from: same, to: same }
  if (replaced !== ABSENT) return undefined
  if (from.directory === to.directory) return { from: same, to: same }
  return { from: { time, subdirectories: -1 }, to: { time, subdirectories: 1 } }
}

async function isNameless(files: RemoteFiles, ino: number): Promise<boolean> {
  try {
    return (await files.stat(ino)).nlink === 0
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESTALE')) return true
    throw error
  }
}
