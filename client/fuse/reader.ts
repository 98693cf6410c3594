import { read } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { RequestBuffers } from './buffers.js'

/** A mounted connection to the kernel. A request is answered over the descriptor it came by. */
export interface Device {
  /** read(2) waits here until there is a request. */
  readonly descriptor: number
  /** The same connection once more (FUSE_DEV_IOC_CLONE), to ask for a request without waiting. */
  readonly polled: Polled | undefined
}
export interface Polled {
  readonly descriptor: number
  /** The length of the request now in `buffer`; less than 1 where there is none just now. */
  readNow(buffer: Buffer): number
}

/** Threads that wait in read(2) where the device cannot be polled; else one does, for all come by the event loop anyway. */
export const MOST_READERS = 4

const MOST_BUFFERS = 64
const SPARE_BUFFERS = 16

/** After an answer the next request mostly follows at once: asking again costs less than to wake a thread and the event loop. */
const POLL_MILLISECONDS = 0.08
/** Of this, so much without a turn of the event loop, which costs as much as to answer what is known. */
const SPIN_MILLISECONDS = 0.03
/** Requests handled before timers and sockets get their turn. */
const MOST_IN_A_TURN = 16
/** A program that waits for the server asks nothing meanwhile: for so long nobody need wait for its next request. */
const AWAIT_MILLISECONDS = 1
/** Where others did ask meanwhile, so many times a thread waits for what comes. */
const CROWDED_WAITS = 64

/** What read(2) says when there is no request this time, but will be (man 4 fuse). */
const READ_AGAIN: ReadonlySet<string | undefined> = new Set(['EINTR', 'ENOENT', 'EAGAIN'])

/** What became of a request; one that waits may need the buffer it came in, until it is given back. */
export type Accepted = 'answered' | 'waiting' | 'waiting with its buffer'

export interface Receiver {
  accept(buffer: Buffer, length: number, descriptor: number): Accepted
  /** Nothing will come any more. */
  ended(): void
}

/** Reads requests until the mount is gone. */
export class Reader {
  readonly #device: Device
  readonly #receiver: Receiver
  readonly #buffers = new RequestBuffers(MOST_BUFFERS, SPARE_BUFFERS)
  #running: number
  #gone = false
  /** Who looks for the next request: the event loop, a thread, or nobody until an answer has come or a moment has passed. */
  #way: 'polling' | 'thread' | 'awaiting' = 'thread'
  #lastAnswer = 0
  #crowded = 0
  /** Of the event loop, while nobody reads. */
  #own: Buffer | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(device: Device, receiver: Receiver) {
    this.#device = device
    this.#receiver = receiver
    this.#running = device.polled === undefined ? MOST_READERS : 1
  }

  get isGone(): boolean {
    return this.#gone
  }

  start(): void {
    for (let reader = 0; reader < this.#running; reader++) this.#wait(undefined)
  }

  give(buffer: Buffer): void {
    this.#buffers.give(buffer)
  }

  /** Waits for a request; `own` is the buffer the reader has from its last turn, if no write keeps it. */
  #wait(own: Buffer | undefined): void {
    if (this.#gone) {
      this.#end()
      return
    }
    const buffer = own ?? this.#buffers.take()
    if (buffer === undefined) {
      this.#buffers.wait(() => this.#wait(undefined))
      return
    }
    const { descriptor, polled } = this.#device
    read(descriptor, buffer, 0, buffer.length, null, (error, length) => {
      if (error !== null) {
        if (!READ_AGAIN.has(error.code)) this.#gone = true
        this.#wait(buffer)
        return
      }
      const accepted = this.#receiver.accept(buffer, length, descriptor)
      const next = accepted === 'waiting with its buffer' ? undefined : buffer
      if (polled === undefined) {
        this.#wait(next)
        return
      }
      this.#own = next
      this.#next(polled, accepted)
    })
  }

  /** An operation that had to wait is about to be answered: who asked meanwhile is heard first. */
  beforeAnswer(): void {
    const { polled } = this.#device
    if (this.#way !== 'awaiting' || polled === undefined) return
    const buffer = this.#own ?? this.#buffers.take()
    if (buffer === undefined) return
    this.#own = buffer
    const length = polled.readNow(buffer)
    if (length < 1) return
    this.#crowded = CROWDED_WAITS
    this.#take(polled, buffer, length)
  }

  /** It is answered, and its program goes on. */
  answered(): void {
    const { polled } = this.#device
    if (this.#way === 'awaiting' && polled !== undefined) this.#next(polled, 'answered')
  }

  #take(polled: Polled, buffer: Buffer, length: number): Accepted {
    const accepted = this.#receiver.accept(buffer, length, polled.descriptor)
    this.#own = accepted === 'waiting with its buffer' ? undefined : buffer
    return accepted
  }

  /** After a request, or an answer: how to look for the next one. */
  #next(polled: Polled, last: Accepted): void {
    if (last === 'answered') {
      this.#lastAnswer = performance.now()
      this.#way = 'polling'
      setImmediate(() => this.#poll(polled))
    } else if (this.#crowded > 0) {
      this.#crowded -= 1
      this.#park()
    } else {
      this.#way = 'awaiting'
      this.#timer ??= setTimeout(() => {
        if (this.#way === 'awaiting') this.#park()
      }, AWAIT_MILLISECONDS)
      this.#timer.refresh()
    }
  }

  #park(): void {
    this.#way = 'thread'
    const own = this.#own
    this.#own = undefined
    this.#wait(own)
  }

  /** Takes what is there; comes again as long as more is likely. */
  #poll(polled: Polled): void {
    let last: Accepted = 'answered'
    for (let taken = 0; taken < MOST_IN_A_TURN; ) {
      const buffer = this.#own ?? this.#buffers.take()
      if (buffer === undefined) {
        this.#park()
        return
      }
      this.#own = buffer
      const length = polled.readNow(buffer)
      if (length > 0) {
        taken += 1
        last = this.#take(polled, buffer, length)
        this.#lastAnswer = performance.now()
        continue
      }
      if (last !== 'answered') {
        this.#next(polled, last)
        return
      }
      const since = performance.now() - this.#lastAnswer
      if (since < SPIN_MILLISECONDS) continue
      if (since < POLL_MILLISECONDS) break
      this.#park()
      return
    }
    setImmediate(() => this.#poll(polled))
  }

  #end(): void {
    this.#running--
    this.#buffers.close()
    if (this.#running === 0) this.#receiver.ended()
  }
}
