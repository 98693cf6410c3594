import { read } from 'node:fs'
import { RequestBuffers } from './buffers.js'

/** A mounted connection to the kernel. A request is answered over the descriptor it came by. */
export interface Device {
  /** read(2) waits here until there is a request. */
  readonly descriptor: number
  /** The same connection once more (FUSE_DEV_IOC_CLONE), which does not block: the event loop waits for its requests. */
  readonly watched: Watched | undefined
}

export interface Watched {
  readonly descriptor: number
  /** The length of the request now in `buffer`; less than 1 where there is none just now. */
  readNow(buffer: Buffer): number
  /** @param first where the first request goes */
  watch(first: Buffer, listener: RequestListener): { goOn(): void }
  /** Nothing is asked any more, as if the mount were gone. A thread that waits in read(2) could not be woken. */
  stop(): void
}

export interface RequestListener {
  /** @returns the buffer for the next request, and whether that is to be read before goOn() is called */
  came(buffer: Buffer, length: number): { readonly own: Buffer; readonly goesOn: boolean }
  /** Nothing will come any more. */
  gone(): void
}

/** Threads that wait in read(2) where the device cannot be watched. */
export const MOST_READERS = 4

export const MOST_BUFFERS = 64
const SPARE_BUFFERS = 16

/** Requests handled before timers and sockets get their turn; fewer once they are long, as writes are. */
const MOST_IN_A_TURN = 16
const MOST_BYTES_IN_A_TURN = 1 << 20

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

  constructor(device: Device, receiver: Receiver) {
    this.#device = device
    this.#receiver = receiver
    this.#running = device.watched === undefined ? MOST_READERS : 1
  }

  get isGone(): boolean {
    return this.#gone
  }

  start(): void {
    const { watched } = this.#device
    if (watched !== undefined) this.#watch(watched)
    else for (let reader = 0; reader < this.#running; reader++) this.#wait(undefined)
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
    const { descriptor } = this.#device
    read(descriptor, buffer, 0, buffer.length, null, (error, length) => {
      if (error !== null) {
        if (!READ_AGAIN.has(error.code)) this.#gone = true
        this.#wait(buffer)
        return
      }
      const accepted = this.#receiver.accept(buffer, length, descriptor)
      this.#wait(accepted === 'waiting with its buffer' ? undefined : buffer)
    })
  }

  #watch(watched: Watched): void {
    const watch = watched.watch(this.#fresh(), {
      came: (buffer, length) => {
        const own = this.#takeAll(watched, buffer, length)
        const goesOn = !this.#buffers.isEmpty
        if (!goesOn) this.#buffers.wait(() => watch.goOn())
        return { own, goesOn }
      },
      gone: () => {
        this.#gone = true
        this.#end()
      },
    })
  }

  /**
   * Where one request came there may be more, of other programs: asking costs less than a turn of the event loop.
   * @returns the buffer for the next one
   */
  #takeAll(watched: Watched, buffer: Buffer, length: number): Buffer {
    let own = buffer
    let come = length
    let bytes = length
    for (let taken = 1; ; taken += 1) {
      const accepted = this.#receiver.accept(own, come, watched.descriptor)
      if (accepted === 'waiting with its buffer') own = this.#fresh()
      const isEnough = taken === MOST_IN_A_TURN || bytes >= MOST_BYTES_IN_A_TURN
      if (isEnough || this.#buffers.isEmpty) return own
      come = watched.readNow(own)
      if (come < 1) return own
      bytes += come
    }
  }

  /** There is one: reading pauses as soon as the last has been taken, before anything comes into that. */
  #fresh(): Buffer {
    const buffer = this.#buffers.take()
    if (buffer === undefined) throw new Error('every buffer is out')
    return buffer
  }

  #end(): void {
    this.#running--
    this.#buffers.close()
    if (this.#running === 0) this.#receiver.ended()
  }
}
