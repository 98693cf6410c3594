import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import { ABSENT } from '../../cache/known.js'
import type { Ticket } from '../../cache/latest-changes.js'
import type { Kernel } from '../../fuse/filesystem.js'
import type { Birth } from '../content/birth.js'
import type { KnownNode, Nodes } from '../content/nodes.js'
import type { Unborn } from '../names/unborn.js'
import type { AttributeChange, Removal, Unawaited } from '../requests/unawaited.js'

interface Mount {
  readonly cache: Cache
  readonly nodes: Nodes
  readonly unborn: Unborn
  readonly unawaited: Unawaited
  readonly log: (message: string, error?: unknown) => void
}

/** What the kernel was shown before the server had done it, new files and changes that nobody waits for: once that has answered, the kernel drops what is not so. */
export class ShownBeforehand {
  readonly #mount: Mount
  #kernel: Kernel | undefined

  constructor(mount: Mount) {
    this.#mount = mount
  }

  connect(kernel: Kernel): void {
    this.#kernel = kernel
  }

  /** The server has a new file; it may have turned out to be another inode than planned. */
  born(node: KnownNode, birth: Birth, attributes: WireAttributes, ticket: Ticket): void {
    const { cache, nodes, unborn } = this.#mount
    const { directory, name } = birth
    unborn.remove(directory, name)
    const change = { time: attributes.crtime, subdirectories: 0 } as const
    cache.changedName(directory, name, attributes.ino, change, ticket)
    cache.changedTo(attributes, ticket)
    // The kernel was shown the file meanwhile.
    if (cache.isNameTold(directory, name, ticket)) {
      this.#kernel?.invalidateEntry(nodes.id(directory), name)
      this.#kernel?.invalidateInode(node.id, -1, 0)
    }
    if (!isAsShown(birth.attributes, attributes)) this.#kernel?.invalidateInode(node.id, -1, 0)
    if (attributes.ino === node.ino) return
    nodes.adopt(node, attributes.ino)
    this.#kernel?.invalidateEntry(nodes.id(directory), name)
  }

  /** A new file was given up before the server heard of it, or is not at its place any more. */
  forsaken({ directory, name }: Birth): void {
    const { cache, nodes, unborn } = this.#mount
    unborn.remove(directory, name)
    cache.forgetNames(directory)
    this.#kernel?.invalidateEntry(nodes.id(directory), name)
  }

  /**
   * The server told what the mount had said before. The directory's time was this machine's, and what was asked meanwhile may
   * be older than the removal.
   */
  removed(removal: Removal, left: WireAttributes | undefined): void {
    const { cache, nodes, unawaited } = this.#mount
    const { directory, name, ino, time, ticket } = removal
    if (left !== undefined && left.nlink > 0) {
      cache.changedTo(left, ticket)
      const node = nodes.of(ino)
      if (node !== undefined) node.removed = undefined
    } else cache.changed(ino)
    if (cache.isNameTold(directory, name, ticket)) {
      cache.changedName(directory, name, ABSENT, undefined, ticket)
      this.#kernel?.invalidateEntry(nodes.id(directory), name)
    }
    const known = cache.attributes(directory)?.value
    if (known?.mtime === time && left !== undefined) {
      cache.changedTo({ ...known, mtime: left.ctime, ctime: left.ctime }, ticket)
    } else if (known?.mtime === time || !unawaited.isRemovingIn(directory)) cache.changed(directory)
    else return
    if (known !== undefined) this.#kernel?.invalidateInode(nodes.id(directory), -1, 0)
  }

  /** The server told what was set. The kernel was let believe this machine's time of a directory; of all else it asks. */
  set({ ino, ticket }: AttributeChange, attributes: WireAttributes, isLast: boolean): void {
    const { cache, nodes } = this.#mount
    nodes.of(ino)?.content?.wereSet(attributes)
    if (!isLast) return
    cache.settledTo(attributes, ticket)
    if (attributes.type === 'directory') this.#kernel?.invalidateInode(nodes.id(ino), -1, 0)
  }

  /** It was not set after all, or not yet. */
  notSet({ ino }: AttributeChange): void {
    const { cache, nodes } = this.#mount
    cache.changed(ino)
    this.#kernel?.invalidateInode(nodes.id(ino), -1, 0)
  }

  /** The server refused it. */
  stillStands({ directory, name, kind, ino }: Removal, error: unknown): void {
    const { cache, nodes, log } = this.#mount
    log(`${kind} of "${name}" in inode ${directory} was refused later: it still stands`, error)
    const node = nodes.of(ino)
    if (node !== undefined) node.removed = undefined
    cache.changed(ino)
    cache.changed(directory)
    cache.forgetNames(directory)
    this.#kernel?.invalidateEntry(nodes.id(directory), name)
    this.#kernel?.invalidateInode(nodes.id(directory), 0, 0)
  }
}

/**
 * Whether the kernel, which was shown a new file before it was sent, need not be told: times and size of one that was written
 * it asks for anyway, and its group is another one only in a directory with set-group-ID.
 */
function isAsShown(planned: WireAttributes, made: WireAttributes): boolean {
  return made.size > 0 && made.gid === planned.gid
}
