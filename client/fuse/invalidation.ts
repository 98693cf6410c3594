import type { Kernel, Node } from './filesystem.js'
import { invalidateEntryMessage, invalidateInodeMessage } from './reply.js'

/** Threads that may wait in the kernel for the pages or the directory that a message is about. */
export const INVALIDATION_THREADS = 2
const OVERDUE_MILLISECONDS = 250

interface Waiting {
  readonly since: number
  readonly messages: Map<string, Buffer>
}

/** An operation that is being answered. */
export interface Busy {
  readonly node: Node
  readonly since: number
}

/**
 * Messages to the kernel about what it must drop. For each the kernel takes locks of the node, and who holds them may wait
 * for us to answer an operation: so a message is written on another thread, one at a time, and not while an operation on its
 * node is being answered. Where somebody works on a node without a pause, a message that is overdue goes by a second
 * thread, but never while an operation is stuck: if this process were killed then, the kernel could not end that thread.
 */
export class Invalidations implements Kernel {
  readonly #waiting = new Map<Node, Waiting>()
  /** Oldest first. */
  readonly #busy = new Map<Node, Set<Busy>>()
  readonly #write: (message: Buffer) => Promise<void>
  readonly #clock: () => number
  readonly #sending = { prompt: false, overdue: false }
  #timer: NodeJS.Timeout | undefined
  #closed = false
  /** The kernel can let names expire (Linux 6.2). */
  canExpire = false
  readonly #settling: (() => void)[] = []

  constructor(write: (message: Buffer) => Promise<void>, clock: () => number) {
    this.#write = write
    this.#clock = clock
  }

  invalidateEntry(parent: Node, name: string): void {
    this.#add(parent, `entry ${name}`, invalidateEntryMessage(parent, name, this.canExpire))
  }

  invalidateInode(node: Node, offset: number, length: number): void {
    this.#add(node, `inode ${offset} ${length}`, invalidateInodeMessage(node, offset, length))
  }

  operationBegins(node: Node): Busy {
    const operation = { node, since: this.#clock() }
    const others = this.#busy.get(node)
    if (others === undefined) this.#busy.set(node, new Set([operation]))
    else others.add(operation)
    return operation
  }

  operationEnds(operation: Busy): void {
    const { node } = operation
    const left = this.#busy.get(node)
    if (!left?.delete(operation) || left.size > 0) return
    this.#busy.delete(node)
    if (this.#waiting.has(node)) this.#send()
  }

  async settled(): Promise<void> {
    if (this.#isSettled) return
    await new Promise<void>((resolve) => this.#settling.push(resolve))
  }

  close(): void {
    this.#closed = true
    this.#settleAll()
    this.#waiting.clear()
    clearTimeout(this.#timer)
  }

  get #isSettled(): boolean {
    const { prompt, overdue } = this.#sending
    return this.#closed || (this.#waiting.size === 0 && !prompt && !overdue)
  }

  #settleAll(): void {
    for (const resolve of this.#settling.splice(0)) resolve()
  }

  #add(node: Node, key: string, message: Buffer): void {
    if (this.#closed) return
    const waiting = this.#waiting.get(node) ?? { since: this.#clock(), messages: new Map() }
    waiting.messages.set(key, message)
    this.#waiting.set(node, waiting)
    this.#send()
  }

  #send(): void {
    if (!this.#sending.prompt) this.#sendOne('prompt', (node) => !this.#busy.has(node))
    const due = this.#clock() - OVERDUE_MILLISECONDS
    const isOverdue = (node: Node, { since }: Waiting) => since <= due && !this.#isStuck(node, due)
    if (!this.#sending.overdue) this.#sendOne('overdue', isOverdue)
    if (this.#waiting.size === 0 || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#send()
    }, OVERDUE_MILLISECONDS)
    this.#timer.unref()
  }

  #isStuck(node: Node, due: number): boolean {
    const [oldest] = this.#busy.get(node) ?? []
    return oldest !== undefined && oldest.since <= due
  }

  #sendOne(way: 'prompt' | 'overdue', may: (node: Node, waiting: Waiting) => boolean): void {
    const message = this.#next(may)
    if (message === undefined) return
    this.#sending[way] = true
    // An error is no news: ENOENT says the kernel did not know the node, ENODEV that the mount is gone.
    void this.#write(message)
      .catch(() => undefined)
      .finally(() => {
        this.#sending[way] = false
        if (!this.#closed) this.#send()
        if (this.#isSettled) this.#settleAll()
      })
  }

  #next(may: (node: Node, waiting: Waiting) => boolean): Buffer | undefined {
    for (const [node, waiting] of this.#waiting) {
      if (!may(node, waiting)) continue
      for (const [key, message] of waiting.messages) {
        waiting.messages.delete(key)
        if (waiting.messages.size === 0) this.#waiting.delete(node)
        return message
      }
    }
    return undefined
  }
}
