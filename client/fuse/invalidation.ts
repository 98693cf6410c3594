import type { Kernel, Node } from './filesystem.js'
import { InvalidationQueue, QUEUE_THREADS } from './invalidation-queue.js'
import { LateAnswers } from './late-answers.js'
import { invalidateEntryMessage, invalidateInodeMessage } from './reply.js'

/** Those of names, and those of attributes and pages. */
export const INVALIDATION_THREADS = 2 * QUEUE_THREADS

/** What the kernel keeps locked of a node while it waits for the answer to an operation: the names in it alone, or pages, too. */
export type Held = 'names' | 'pages'

/** An operation that is being answered. */
export interface Busy {
  readonly node: Node
  readonly held: Held
  readonly since: number
}

/**
 * Messages to the kernel about what it must drop. For each the kernel takes locks of the node, and who holds them may wait
 * for us to answer an operation: so none is written while such an operation on its node is being answered. Names have a queue of
 * their own: who gives one waits with its answer until attributes and pages are dropped, and holds the directory's lock meanwhile, for
 * which word of its names waits in the kernel, however short before it was written.
 */
export class Invalidations implements Kernel {
  readonly #busy = new Map<Node, Set<Busy>>()
  readonly #names: InvalidationQueue
  readonly #inodes: InvalidationQueue
  readonly #answers: LateAnswers
  readonly #clock: () => number
  /** The kernel can let names expire (Linux 6.2). */
  canExpire = false
  readonly #settling: { isSettled: () => boolean; resolve: () => void }[] = []

  constructor(write: (message: Buffer) => Promise<unknown>, clock: () => number) {
    this.#clock = clock
    this.#answers = new LateAnswers(clock)
    const queue = (holding: readonly Held[], again: (node: Node, key: string) => void) => {
      const operations = (node: Node) =>
        [...(this.#busy.get(node) ?? [])].filter(({ held }) => holding.includes(held))
      const blocked = {
        isBusy: (node: Node) => operations(node).length > 0,
        isStuck: (node: Node, due: number) => operations(node).some(({ since }) => since <= due),
      }
      const settled = () => this.#settle()
      return new InvalidationQueue(write, clock, blocked, settled, again)
    }
    this.#names = queue(['names', 'pages'], (parent, name) =>
      this.#answers.told(parent, `name ${name}`, () => this.#entry(parent, name, 'again')),
    )
    // No answer about attributes brings pages.
    this.#inodes = queue(['pages'], (node) =>
      this.#answers.told(node, 'attributes', () => this.#inode(node, -1, 0, 'again')),
    )
  }

  invalidateEntry(parent: Node, name: string): void {
    this.#answers.tell()
    this.#entry(parent, name, 'first')
  }

  invalidateInode(node: Node, offset: number, length: number): void {
    this.#answers.tell()
    this.#inode(node, offset, length, 'first')
  }

  /** The kernel has an answer, and takes up at its leisure what that says about these nodes. */
  answered({ about }: { readonly about?: readonly Node[] }): void {
    if (about !== undefined) this.#answers.answered(about)
  }

  operationBegins(node: Node, held: Held): Busy {
    const operation = { node, held, since: this.#clock() }
    const others = this.#busy.get(node)
    if (others === undefined) this.#busy.set(node, new Set([operation]))
    else others.add(operation)
    return operation
  }

  operationEnds(operation: Busy): void {
    const { node } = operation
    const left = this.#busy.get(node)
    if (!left?.delete(operation)) return
    if (left.size === 0) this.#busy.delete(node)
    this.#inodes.isFree(node)
    this.#names.isFree(node)
  }

  settled(): Promise<void> {
    return this.#until(() => this.#inodes.isSettled && this.#names.isSettled)
  }

  inodesSettled(): Promise<void> {
    return this.#until(() => this.#inodes.isSettled)
  }

  close(): void {
    this.#answers.close()
    this.#names.close()
    this.#inodes.close()
    this.#settle()
  }

  #entry(parent: Node, name: string, time: 'first' | 'again'): void {
    this.#names.add(parent, name, invalidateEntryMessage(parent, name, this.canExpire), time)
  }

  #inode(node: Node, offset: number, length: number, time: 'first' | 'again'): void {
    const message = invalidateInodeMessage(node, offset, length)
    this.#inodes.add(node, `${offset} ${length}`, message, time)
  }

  async #until(isSettled: () => boolean): Promise<void> {
    if (isSettled()) return
    await new Promise<void>((resolve) => this.#settling.push({ isSettled, resolve }))
  }

  #settle(): void {
    for (const one of this.#settling.splice(0)) {
      if (one.isSettled()) one.resolve()
      else this.#settling.push(one)
    }
  }
}
