import type { Node } from './filesystem.js'

/** Threads of one queue that may wait in the kernel for what a message is about. */
export const QUEUE_THREADS = 2
const OVERDUE_MILLISECONDS = 250

interface Waiting {
  readonly since: number
  readonly messages: Map<string, Message>
}

interface Message {
  readonly bytes: Buffer
  /** `again`: the kernel was told before. */
  readonly time: 'first' | 'again'
}

/** What must not be written now. */
export interface Blocked {
  /** An operation on the node is being answered that keeps the kernel from taking the message. */
  isBusy(node: Node): boolean
  /** One of them since before this time. */
  isStuck(node: Node, due: number): boolean
}

/**
 * Messages to the kernel, written on another thread, one at a time, and not while an operation on their node is being answered that
 * they would wait for. Where somebody works on a node without a pause, a message that is overdue goes by a second thread, but never
 * while an operation is stuck: if this process were killed then, the kernel could not end that thread.
 */
export class InvalidationQueue {
  readonly #waiting = new Map<Node, Waiting>()
  readonly #write: (message: Buffer) => Promise<unknown>
  readonly #clock: () => number
  readonly #blocked: Blocked
  readonly #settled: () => void
  readonly #told: (node: Node, key: string) => void
  readonly #sending = { prompt: false, overdue: false }
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(
    write: (message: Buffer) => Promise<unknown>,
    clock: () => number,
    blocked: Blocked,
    settled: () => void,
    told: (node: Node, key: string) => void,
  ) {
    this.#write = write
    this.#clock = clock
    this.#blocked = blocked
    this.#settled = settled
    this.#told = told
  }

  get isSettled(): boolean {
    const { prompt, overdue } = this.#sending
    return this.#closed || (this.#waiting.size === 0 && !prompt && !overdue)
  }

  add(node: Node, key: string, bytes: Buffer, time: 'first' | 'again' = 'first'): void {
    if (this.#closed) return
    const waiting = this.#waiting.get(node) ?? { since: this.#clock(), messages: new Map() }
    if (time === 'first' || !waiting.messages.has(key)) waiting.messages.set(key, { bytes, time })
    this.#waiting.set(node, waiting)
    this.#send()
  }

  /** No operation on the node is being answered any more that its messages would wait for. */
  isFree(node: Node): void {
    if (this.#waiting.has(node)) this.#send()
  }

  close(): void {
    this.#closed = true
    this.#waiting.clear()
    clearTimeout(this.#timer)
  }

  #send(): void {
    if (!this.#sending.prompt) this.#sendOne('prompt', (node) => !this.#blocked.isBusy(node))
    const due = this.#clock() - OVERDUE_MILLISECONDS
    const isOverdue = (node: Node, { since }: Waiting) =>
      since <= due && !this.#blocked.isStuck(node, due)
    if (!this.#sending.overdue) this.#sendOne('overdue', isOverdue)
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
        if (this.isSettled) this.#settled()
      })
  }

  #next(may: (node: Node, waiting: Waiting) => boolean): Buffer | undefined {
    for (const [node, waiting] of this.#waiting) {
      if (!may(node, waiting)) continue
      for (const [key, message] of waiting.messages) {
        waiting.messages.delete(key)
        if (waiting.messages.size === 0) this.#waiting.delete(node)
        if (message.time === 'first') this.#told(node, key)
        return message.bytes
      }
    }
    return undefined
  }
}
