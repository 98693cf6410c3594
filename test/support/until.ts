import { setTimeout } from 'node:timers/promises'
import { whileWaiting } from './waiting.js'

/** Asks again and again until the answer is not undefined or false; fails when time is up. For what tells nobody when it happens. */
export function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  milliseconds = 60_000,
): Promise<T> {
  const asking = async (): Promise<T> => {
    const deadline = Date.now() + milliseconds
    for (;;) {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
      if (Date.now() > deadline) throw new Error(`after ${milliseconds} ms still not: ${what}`)
      await setTimeout(25)
    }
  }
  return whileWaiting(() => what, asking())
}
