import type { Kernel, Node } from './filesystem.js'
import { invalidateEntryMessage, invalidateInodeMessage } from './reply.js'

/** Threads that may hang in the kernel while it waits for the pages or the directory that a message is about. */
export const INVALIDATION_THREADS = 2
const OVERDUE_MILLISECONDS = 250

interface Waiting {
  readonly since: number
  readonly messages: Map<string, Buffer>
}

/**
 * Messages to the kernel about what it must drop. The kernel takes the locks of the node for each, and whoever waits for
 * us to answer an operation may hold them: so a message is written on another thread, only one at a time, and not while
 * an operation on its node is being answered. One that has waited long (somebody reads without a pause) goes by a second
 * thread, so that it never holds up the others.
 */
export class Invalidations implements Kernel {
  readonly #waiting = new Map<Node, Waiting>()
  readonly #busy = new Map<Node, number>()
  readonly #write: (message: Buffer) => Promise<void>
  readonly #clock: () => number
  #sending = { prompt: false, overdue: false }
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(write: (message: Buffer) => Promise<void>, clock: () => number) {
    this.#write = write
    this.#clock = clock
  }

  invalidateEntry(parent: Node, name: string): void {
    this.#add(parent, `entry ${name}`, invalidateEntryMessage(parent, name))
  }

  invalidateInode(node: Node, offset: number, length: number): void {
    this.#add(node, `inode ${offset} ${length}`, invalidateInodeMessage(node, offset, length))
  }

  operationBegins(node: Node): void {
    this.#busy.set(node, (this.#busy.get(node) ?? 0) + 1)
  }

  operationEnds(node: Node): void {
    const left = (this.#busy.get(node) ?? 1) - 1
    if (left > 0) this.#busy.set(node, left)
    else this.#busy.delete(node)
    if (left === 0 && this.#waiting.has(node)) this.#send()
  }

  close(): void {
    this.#closed = true
    this.#waiting.clear()
    clearTimeout(this.#timer)
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
    if (!this.#sending.overdue) this.#sendOne('overdue', (_, { since }) => since <= due)
    if (this.#waiting.size === 0 || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#send()
    }, OVERDUE_MILLISECONDS)
    this.#timer.unref()
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
