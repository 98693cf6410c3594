import { REQUEST_SIZE } from './protocol.js'

/**
 * Buffers that requests are read into. A large write keeps its buffer until it is answered; when `most` are out, reading
 * pauses until one comes back, so that no crowd of writers can fill the memory.
 */
export class RequestBuffers {
  readonly #spare: Buffer[] = []
  readonly #most: number
  readonly #keep: number
  #made = 0
  #waiting: (() => void)[] = []

  constructor(most: number, keep: number) {
    this.#most = most
    this.#keep = keep
  }

  /** All are out. */
  get isEmpty(): boolean {
    return this.#spare.length === 0 && this.#made === this.#most
  }

  take(): Buffer | undefined {
    const spare = this.#spare.pop()
    if (spare !== undefined) return spare
    if (this.#made === this.#most) return undefined
    this.#made++
    return Buffer.allocUnsafeSlow(REQUEST_SIZE)
  }

  give(buffer: Buffer): void {
    if (this.#spare.length < this.#keep) this.#spare.push(buffer)
    else this.#made--
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
