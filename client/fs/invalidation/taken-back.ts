import type { WireChange } from '../../../server/wire/changes.js'
import type { WireAttributes, WirePlace } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import { ABSENT } from '../../cache/known.js'
import type { Kernel } from '../../fuse/filesystem.js'
import type { KnownNode, Nodes } from '../content/nodes.js'
import type { ContestedNames } from '../names/contested-names.js'
import type { Unborn } from '../names/unborn.js'

export interface TakenBackMount {
  readonly cache: Cache
  readonly nodes: Nodes
  readonly unborn: Unborn
  readonly contested: ContestedNames
  /** The content of a node changed elsewhere. */
  foreign(node: KnownNode): void
  /** Contents that are kept in memory, by their version, go. */
  dropContents(): void
}

/** Takes back from the cache and the kernel what is no longer true, or may not be. */
export class TakenBack {
  readonly #mount: TakenBackMount
  readonly #kernel: Kernel

  constructor(mount: TakenBackMount, kernel: Kernel) {
    this.#mount = mount
    this.#kernel = kernel
  }

  /** What the kernel was told to believe for long it must ask for again. */
  all(): void {
    const { cache, nodes } = this.#mount
    for (const { directory, name } of cache.vouchedNames()) {
      const node = nodes.of(directory)
      if (node !== undefined) this.#kernel.invalidateEntry(node.id, name)
    }
    for (const node of nodes.all()) {
      // Pages of files are checked when they are opened; a directory's listing is not.
      const isDirectory = cache.lastAttributes(node.ino)?.type !== 'file'
      this.#kernel.invalidateInode(node.id, isDirectory ? 0 : -1, 0)
    }
    cache.forgetVouched()
  }

  /** Nobody will tell what became of files that are open, of which a program may read on, or lock them, and ask for nothing else. */
  pagesOfOpen(): void {
    const { nodes, foreign } = this.#mount
    for (const node of nodes.all()) if (node.opens > 0) foreign(node)
  }

  /** A version says no more which content it is, neither of pages nor of what is kept here. */
  contents(): void {
    const { nodes, foreign, dropContents } = this.#mount
    dropContents()
    for (const node of nodes.all()) if (node.opens > 0 || node.pages !== undefined) foreign(node)
  }

  /** What was learned since, and holds for a moment only, is to be asked for again as well. */
  recent(): void {
    const { cache, nodes, contested } = this.#mount
    if (cache.isVouched) this.all()
    for (const { directory, name } of cache.believedNames()) {
      contested.add(directory, name)
      const node = nodes.of(directory)
      if (node !== undefined) this.#kernel.invalidateEntry(node.id, name)
    }
    for (const node of nodes.all()) {
      if (cache.attributes(node.ino) !== undefined) this.#kernel.invalidateInode(node.id, -1, 0)
    }
    cache.forgetAll()
  }

  /** The kernel is to ask again for what it was let believe of names in a directory: of these, or of all. */
  names(directory: number, names: Iterable<string> = this.#mount.cache.believedNamesIn(directory)) {
    const node = this.#mount.nodes.of(directory)
    if (node === undefined) return
    for (const name of names) this.#kernel.invalidateEntry(node.id, name)
  }

  /** What was written here is there now, and this is what the server made of it. */
  settled(attributes: WireAttributes | undefined): void {
    if (attributes === undefined) return
    const { cache, nodes } = this.#mount
    cache.changedTo(attributes, cache.ticket())
    const node = nodes.of(attributes.ino)
    if (node !== undefined) this.#kernel.invalidateInode(node.id, -1, 0)
  }

  /** What somebody else did. */
  changed(change: WireChange): void {
    switch (change.kind) {
      case 'make':
        this.named(change.place, change.ino)
        this.#attributes(change.ino)
        return
      case 'remove':
        this.named(change.place, ABSENT)
        this.#attributes(change.ino)
        return
      case 'rename':
        this.named(change.from, change.exchanged ?? ABSENT)
        this.named(change.to, change.ino)
        this.#attributes(change.ino)
        if (change.exchanged !== undefined) this.#attributes(change.exchanged)
        if (change.replaced !== undefined) this.#attributes(change.replaced)
        return
      case 'content':
        this.#content(change.ino)
        return
      case 'attributes':
        this.#attributes(change.ino)
    }
  }

  named({ directory, name }: WirePlace, ino: number | 'unknown'): void {
    const { cache, nodes, unborn, contested } = this.#mount
    if (contested.add(directory, name)) this.names(directory)
    // A file of ours that is about to stand there is sent and then finds out who was first.
    cache.toldName(directory, name, unborn.at(directory, name) === undefined ? ino : undefined)
    const node = nodes.of(directory)
    if (node === undefined) return
    this.#kernel.invalidateEntry(node.id, name)
    // With its attributes goes the listing that the kernel keeps.
    this.#kernel.invalidateInode(node.id, 0, 0)
  }

  #attributes(ino: number): void {
    const { cache, nodes } = this.#mount
    cache.changed(ino)
    for (const { id } of nodes.allOf(ino)) this.#kernel.invalidateInode(id, -1, 0)
  }

  #content(ino: number): void {
    const { cache, nodes, foreign } = this.#mount
    cache.changed(ino)
    for (const node of nodes.allOf(ino)) foreign(node)
  }
}
