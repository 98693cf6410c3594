import { SpareBuffers } from '../spare-buffers.js'
import { REQUEST_SIZE } from './protocol.js'

/**
 * Buffers that requests are read into. A large write keeps its buffer until it is answered; when `most` are out, reading
 * pauses until one comes back, so that no crowd of writers can fill the memory.
 */
export class RequestBuffers {
  readonly #spare: SpareBuffers
  readonly #most: number
  #out = 0
  #waiting: (() => void)[] = []

  constructor(most: number, keep: number) {
    this.#most = most
    this.#spare = new SpareBuffers(keep)
  }

  /** All are out. */
  get isEmpty(): boolean {
    return this.#out === this.#most
  }

  take(): Buffer | undefined {
    if (this.isEmpty) return undefined
    this.#out++
    return this.#spare.take() ?? Buffer.allocUnsafeSlow(REQUEST_SIZE)
  }

  give(buffer: Buffer): void {
    this.#out--
    this.#spare.give(buffer)
    this.#waiting.shift()?.()
  }

  /** Calls back when a buffer has come back. */
  wait(callback: () => void): void {
    this.#waiting.push(callback)
  }

  /** Nothing is read any more: those who wait are called, and find out. */
  close(): void {
    for (const callback of this.#waiting.splice(0)) callback()
  }
}
