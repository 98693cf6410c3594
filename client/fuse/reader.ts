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

/** After a request the next one mostly follows at once: asking again costs less than to wake a thread and the event loop. */
const POLL_MILLISECONDS = 0.08
/** Requests handled before timers and sockets get their turn. */
const MOST_IN_A_TURN = 16

/** What read(2) says when there is no request this time, but will be (man 4 fuse). */
const READ_AGAIN: ReadonlySet<string | undefined> = new Set(['EINTR', 'ENOENT', 'EAGAIN'])

export interface Receiver {
  /** @returns whether the request keeps the buffer, until it is given back */
  accept(buffer: Buffer, length: number, descriptor: number): boolean
  /** Every request is answered. */
  isIdle(): boolean
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
  #lastRequest = 0

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
      const kept = this.#receiver.accept(buffer, length, descriptor)
      const next = kept ? undefined : buffer
      if (polled === undefined) {
        this.#wait(next)
        return
      }
      this.#lastRequest = performance.now()
      setImmediate(() => this.#poll(polled, next))
    })
  }

  /** Takes what is there; comes again as long as more is likely, then waits. */
  #poll(polled: Polled, own: Buffer | undefined): void {
    let buffer = own
    let taken = 0
    for (; taken < MOST_IN_A_TURN; taken++) {
      buffer ??= this.#buffers.take()
      if (buffer === undefined) break
      const length = polled.readNow(buffer)
      if (length < 1) break
      if (this.#receiver.accept(buffer, length, polled.descriptor)) buffer = undefined
    }
    const now = performance.now()
    if (taken > 0) this.#lastRequest = now
    // What was just taken is not answered yet: whether all is idle shows in the next turn.
    const likely = now - this.#lastRequest < POLL_MILLISECONDS && this.#receiver.isIdle()
    if (taken > 0 || likely) setImmediate(() => this.#poll(polled, buffer))
    else this.#wait(buffer)
  }

  #end(): void {
    this.#running--
    this.#buffers.close()
    if (this.#running === 0) this.#receiver.ended()
  }
}
