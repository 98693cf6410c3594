import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Node } from '../../fuse/filesystem.js'
import type { Content } from './content.js'

/** FUSE_ROOT_ID */
export const ROOT: Node = 1

/** An inode that the kernel knows or has open. */
export interface KnownNode {
  readonly id: Node
  /** The remote inode; another one than the kernel was told only after a lost race for a new name. */
  ino: number
  /** References the kernel holds and FORGET gives back. */
  lookups: number
  /** Open handles, and those of them that may write. */
  opens: number
  writers: number
  /** What is written and not yet on the server, while there may be any. */
  content: Content | undefined
  /** Why attributes that a program was told are set were refused, until fsync(2) has told. */
  unset: unknown
  /** The version of the content that the kernel's pages belong to. */
  pages: number | undefined
  /** Where they were dropped: the first version that was read since, of a file that is still open. */
  readSince: number | undefined
  /** The directory in which it was last found. */
  directory: number | undefined
  /** It has no name, or lost its last one here while it was open: to be released with its last handle. */
  isOrphan: boolean
  /** No file, and its last name was removed here; as it was: a program may still stand in it, or have it open. */
  removed: WireAttributes | undefined
}

/** For fsync(2). @throws once, why what a program was told is set was refused */
export function tellUnset(node: KnownNode | undefined): void {
  const unset = node?.unset
  if (node === undefined || unset === undefined) return
  node.unset = undefined
  throw unset
}

/** The kernel's nodes and the remote inodes they stand for. A node is the inode's number, but for the root, which is 1. */
export class Nodes {
  readonly #root: number
  readonly #byId = new Map<Node, KnownNode>()
  /** The nodes of inodes that were to have another number: after a lost race for a new name. */
  readonly #adopted = new Map<number, Node>()

  constructor(root: number) {
    this.#root = root
    // The kernel knows the root without having looked it up, and never forgets it.
    this.known(root).lookups = 1
  }

  id(ino: number): Node {
    return this.#adopted.get(ino) ?? this.#swapped(ino)
  }

  /** The kernel knows the root by a number of its own. */
  #swapped(number: number): number {
    if (number === this.#root) return ROOT
    return number === ROOT ? this.#root : number
  }

  /** The number programs see (st_ino): of a file that is open it must not change. */
  number(ino: number): number {
    return this.#adopted.get(ino) ?? ino
  }

  numberOf(node: KnownNode): number {
    return this.#swapped(node.id)
  }

  /** The remote inode of a node. */
  ino(id: Node): number {
    return this.#byId.get(id)?.ino ?? this.#swapped(id)
  }

  get(id: Node): KnownNode | undefined {
    return this.#byId.get(id)
  }

  /** The node of a remote inode, if the kernel knows it. */
  of(ino: number): KnownNode | undefined {
    return this.#byId.get(this.id(ino))
  }

  /** All nodes of a remote inode: the kernel may know it by the number it was to have, too. */
  allOf(ino: number): KnownNode[] {
    const ids = new Set([this.id(ino), this.#swapped(ino)])
    return [...ids].flatMap((id) => this.#byId.get(id) ?? [])
  }

  /** The node stands for another inode than was thought. */
  adopt(node: KnownNode, ino: number): void {
    node.ino = ino
    this.#adopted.set(ino, node.id)
  }

  /** The node, made known if it is not. */
  known(ino: number): KnownNode {
    const id = this.id(ino)
    const found = this.#byId.get(id)
    if (found !== undefined) return found
    const node: KnownNode = {
      id,
      ino,
      lookups: 0,
      opens: 0,
      writers: 0,
      content: undefined,
      unset: undefined,
      pages: undefined,
      readSince: undefined,
      directory: undefined,
      isOrphan: false,
      removed: undefined,
    }
    this.#byId.set(id, node)
    return node
  }

  all(): IterableIterator<KnownNode> {
    return this.#byId.values()
  }

  forget(id: Node, count: number): void {
    const node = this.#byId.get(id)
    if (node === undefined) return
    if (id === ROOT) return
    node.lookups = Math.max(0, node.lookups - count)
    this.drop(node)
  }

  /** Forgets a node that neither the kernel nor unsent data needs. */
  drop(node: KnownNode): void {
    if (node.lookups > 0 || node.opens > 0 || node.content !== undefined) return
    if (this.#byId.get(node.id) !== node) return
    this.#byId.delete(node.id)
    if (this.#adopted.get(node.ino) === node.id) this.#adopted.delete(node.ino)
  }
}
