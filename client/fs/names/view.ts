import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import type { FuseAttributes, FuseEntry } from '../../fuse/filesystem.js'
import { withoutPrivileges } from '../../privileges.js'
import { refusal } from '../answer.js'
import { fuseAttributes, type Owners } from '../attributes.js'
import { type KnownNode, type Nodes, ROOT } from '../content/nodes.js'
import type { ContestedNames } from './contested-names.js'
import type { Unborn } from './unborn.js'

/** How the kernel is shown an inode: what the server said, under what is written here and not yet there. */
export class View {
  readonly #nodes: Nodes
  readonly #cache: Cache
  readonly #owners: Owners
  readonly #unborn: Unborn
  readonly #contested: ContestedNames
  readonly #areLost: (ino: number) => boolean
  readonly #nothing: FuseAttributes

  /** @param areLost whether an inode is open that has lost its locks */
  constructor(
    nodes: Nodes,
    cache: Cache,
    owners: Owners,
    unborn: Unborn,
    contested: ContestedNames,
    areLost: (ino: number) => boolean,
  ) {
    this.#nodes = nodes
    this.#cache = cache
    this.#owners = owners
    this.#unborn = unborn
    this.#contested = contested
    this.#areLost = areLost
    this.#nothing = fuseAttributes(NOTHING, owners, 0)
  }

  /** @param milliseconds for how long the server's answer holds */
  attributes(remote: WireAttributes, milliseconds: number): FuseAttributes {
    return this.#shown(this.#nodes.of(remote.ino), remote, milliseconds)
  }

  /** Of a node, whose number may be another than the server's. */
  attributesOf(node: KnownNode, remote: WireAttributes, milliseconds: number): FuseAttributes {
    return this.#shown(node, remote, milliseconds)
  }

  /** An entry for the kernel, which from now on holds a reference to the node. */
  entry(
    directory: number,
    remote: WireAttributes,
    nameMilliseconds: number,
    milliseconds: number,
  ): FuseEntry {
    const node = this.#nodes.known(remote.ino)
    node.lookups += 1
    node.directory = directory
    return {
      node: node.id,
      generation: 0,
      validMilliseconds: this.#nameHolds(directory, nameMilliseconds),
      attributes: this.#shown(node, remote, milliseconds),
    }
  }

  /** The entry of a file that stands here, sent or not. */
  localEntry(directory: number, node: KnownNode, remote: WireAttributes): FuseEntry {
    node.lookups += 1
    return {
      node: node.id,
      generation: 0,
      validMilliseconds: this.#nameHolds(directory, this.#cache.timeout),
      attributes: this.attributesOf(node, remote, this.#cache.timeout),
    }
  }

  /** "No such name", for the kernel to remember. */
  absent(directory: number, milliseconds: number): FuseEntry {
    return {
      node: 0,
      generation: 0,
      validMilliseconds: this.#nameHolds(directory, milliseconds),
      attributes: this.#nothing,
    }
  }

  #nameHolds(directory: number, milliseconds: number): number {
    return this.#contested.has(directory) ? 0 : milliseconds
  }

  #shown(
    node: KnownNode | undefined,
    remote: WireAttributes,
    milliseconds: number,
  ): FuseAttributes {
    // The kernel would give the root up for good: nobody could look for its name again.
    if (node?.id === ROOT && remote.type !== 'directory') {
      throw refusal('EIO', 'the answer makes no sense: the root is no directory')
    }
    const content = node?.content
    const ino = node === undefined ? remote.ino : this.#nodes.numberOf(node)
    if (content === undefined || content.isClean) {
      // A new file is sent before its directory's times are told: so the kernel must ask for them. And by a size that it knows it ends
      // a read without asking us, who have to refuse it.
      const isAsked =
        losesMode(remote) || this.#unborn.areIn(remote.ino) || this.#areLost(remote.ino)
      const holds = isAsked ? 0 : milliseconds
      return fuseAttributes(remote, this.#owners, holds, ino)
    }
    // What changes when it is sent must be asked for again. Writing makes the kernel do so by itself.
    const holds = content.isBlank ? this.#cache.timeout : 0
    return fuseAttributes(content.attributes(), this.#owners, holds, ino)
  }
}

/** Writing changes its mode (write(2)), and after a write the kernel asks for size and times anew, but not for a mode that still holds. */
function losesMode({ type, mode }: WireAttributes): boolean {
  return type === 'file' && mode !== withoutPrivileges(mode)
}

const NOTHING: WireAttributes = {
  ino: 0,
  type: 'file',
  mode: 0,
  uid: 0,
  gid: 0,
  nlink: 0,
  size: 0,
  rdev: 0,
  atime: '0',
  mtime: '0',
  ctime: '0',
  crtime: '0',
  version: 0,
  generation: 0,
  etag: '',
  modified_time: '',
}
