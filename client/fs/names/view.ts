import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import type { FuseAttributes, FuseEntry } from '../../fuse/filesystem.js'
import { withoutPrivileges } from '../../privileges.js'
import { refusal } from '../answer.js'
import { fuseAttributes, type Owners } from '../attributes.js'
import { type KnownNode, type Nodes, ROOT } from '../content/nodes.js'
import { asSet, isOnlyKnownThere, type SetAttributes } from '../content/pending-attributes.js'
import type { Unawaited } from '../requests/unawaited.js'
import type { ContestedNames } from './contested-names.js'
import type { Unborn } from './unborn.js'

export interface Shown {
  readonly nodes: Nodes
  readonly cache: Cache
  readonly owners: Owners
  readonly unborn: Unborn
  readonly unawaited: Pick<Unawaited, 'setOf'>
  readonly contested: ContestedNames
  /** Whether an inode is open that has lost its locks. */
  areLost(ino: number): boolean
}

/** How the kernel is shown an inode: what the server said, under what is written or set here and not yet there. */
export class View {
  readonly #mount: Shown
  readonly #nothing: FuseAttributes

  constructor(mount: Shown) {
    this.#mount = mount
    this.#nothing = fuseAttributes(NOTHING, mount.owners, 0)
  }

  /** @param milliseconds for how long the server's answer holds */
  attributes(remote: WireAttributes, milliseconds: number): FuseAttributes {
    return this.#shown(this.#mount.nodes.of(remote.ino), remote, milliseconds)
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
    const node = this.#mount.nodes.known(remote.ino)
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
      validMilliseconds: this.#nameHolds(directory, this.#mount.cache.timeout),
      attributes: this.attributesOf(node, remote, this.#mount.cache.timeout),
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
    return this.#mount.contested.has(directory) ? 0 : milliseconds
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
    const ino = node === undefined ? remote.ino : this.#mount.nodes.numberOf(node)
    if (content === undefined || content.isClean) {
      const set = this.#mount.unawaited.setOf(node?.ino ?? remote.ino)
      const shown = withSet(remote, set)
      // Those of a directory, for which the kernel asks with each name in it, it is told to drop once the server has answered. But a
      // time that is the server's clock is waited for by who asks.
      const isOnlySet = set.length > 0 && (shown.type !== 'directory' || set.some(isOnlyKnownThere))
      // A new file is sent before its directory's times are told: so the kernel must ask for them. And by a size that it knows it ends
      // a read without asking us, who have to refuse it.
      const isAsked =
        isOnlySet ||
        losesMode(shown) ||
        this.#mount.unborn.areIn(shown.ino) ||
        this.#mount.areLost(shown.ino)
      return fuseAttributes(shown, this.#mount.owners, isAsked ? 0 : milliseconds, ino)
    }
    // What changes when it is sent must be asked for again. Writing makes the kernel do so by itself.
    const holds = content.isBlank ? this.#mount.cache.timeout : 0
    return fuseAttributes(content.attributes(), this.#mount.owners, holds, ino)
  }
}

/** With what is being set, where that is later. */
function withSet(remote: WireAttributes, set: readonly SetAttributes[]): WireAttributes {
  const last = set.at(-1)
  const isLater = last !== undefined && BigInt(last.time) > BigInt(remote.ctime)
  return isLater ? asSet(remote, set) : remote
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
