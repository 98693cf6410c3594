import { MessageChannel } from 'node:worker_threads'

/** What nobody took for so long is not kept: a copy takes its buffers again within milliseconds. */
const REST_MILLISECONDS = 500

const { port1: nowhere, port2 } = new MessageChannel()
port2.close()
nowhere.close()

/**
 * Buffers of one size that are kept to be used again, as long as they are: what lay here during all of a moment goes back to the system,
 * for the mount needs its memory for something else, too. It is free at once, not when the garbage collector next comes by: what is
 * transferred leaves its buffer, and to a port that is closed it goes nowhere.
 */
export class SpareBuffers {
  readonly #most: number
  readonly #later: (call: () => void) => void
  readonly #spare: Buffer[] = []
  /** The fewest there were since the last look: so many were not needed. */
  #fewest = 0
  #isLooking = false

  /** @param later calls back after a moment, which keeps no process alive */
  constructor(most: number, later = afterRest) {
    this.#most = most
    this.#later = later
  }

  /** One, if there is any. What was in it before is still there. */
  take(): Buffer | undefined {
    const buffer = this.#spare.pop()
    this.#fewest = Math.min(this.#fewest, this.#spare.length)
    return buffer
  }

  /** Nobody has a view of it any more. */
  give(buffer: Buffer): void {
    // One more is left to the garbage collector: to free each by itself costs a tenth of writing.
    if (this.#spare.length >= this.#most) return
    this.#spare.push(buffer)
    if (this.#isLooking) return
    this.#isLooking = true
    this.#later(this.#look)
  }

  readonly #look = (): void => {
    free(this.#spare.splice(0, this.#fewest))
    this.#fewest = this.#spare.length
    this.#isLooking = this.#fewest > 0
    if (this.#isLooking) this.#later(this.#look)
  }
}

function afterRest(call: () => void): void {
  setTimeout(call, REST_MILLISECONDS).unref()
}

function free(buffers: readonly Buffer[]): void {
  const whole = buffers.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? buffer : []))
  if (whole.length > 0) nowhere.postMessage(undefined, whole)
}
