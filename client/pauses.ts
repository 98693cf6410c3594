import { setTimeout as delay } from 'node:timers/promises'

/** Pauses between tries, all of which can be ended at once. */
export class Pauses {
  #end = new AbortController()

  /** Resolves after the time, or with the end of all pauses, or when the signal aborts. @returns whether it was ended early */
  async rest(milliseconds: number, signal: AbortSignal): Promise<'over' | 'ended'> {
    const end = this.#end.signal
    try {
      await delay(milliseconds, undefined, { signal: AbortSignal.any([signal, end]), ref: false })
    } catch {
      // The signal is the caller's to look at.
    }
    return end.aborted ? 'ended' : 'over'
  }

  end(): void {
    this.#end.abort()
    this.#end = new AbortController()
  }
}
