const BEGINNING = Date.UTC(2026, 0)
const NUMBERS_PER_MILLISECOND = 1000
/** The year 2168. A clock that is wrong once must not use up all that can be counted. */
const MOST = 2 ** 52

/**
 * A number that a server had not given out by then, whatever it did: it gives out less than one a microsecond. Who goes on from here
 * repeats nothing that was given out before, also where nobody here knows of that: a data directory may have been restored or put
 * back to an earlier state, more than once.
 */
export function numberAt(now: Date): number {
  return Math.min(MOST, (now.getTime() - BEGINNING) * NUMBERS_PER_MILLISECOND)
}
