import { setTimeout as delay } from 'node:timers/promises'
import type { ConnectionState } from './connection.js'

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

/** Away for less, a server shows up by the next try anyhow; and where a connection comes and goes, no tries come without a pause. */
const WORTH_MILLISECONDS = 1_000

/** Takes notice of where the server is: once it is back, whoever pauses between tries need not wait for the end of the pause. */
export function endedByReturn(
  pauses: Pauses,
  clock: () => number,
): (state: Pick<ConnectionState, 'kind'>) => void {
  let awaySince: number | undefined
  return ({ kind }) => {
    if (kind !== 'connected') {
      awaySince ??= clock()
      return
    }
    if (awaySince !== undefined && clock() - awaySince >= WORTH_MILLISECONDS) pauses.end()
    awaySince = undefined
  }
}
