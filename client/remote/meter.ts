const SECONDS = 60
const RATE_SECONDS = 10
/** Four bins for each doubling, from a microsecond to about an hour. */
const BINS_PER_OCTAVE = 4
const BINS = 32 * BINS_PER_OCTAVE

/** What was asked of the server within the last minute. */
export interface Traffic {
  /** Over the last ten seconds. */
  readonly perSecond: number
  /** Within a fifth of the truth; absent while nothing was answered. */
  readonly medianMilliseconds?: number
  readonly p99Milliseconds?: number
}

interface Second {
  number: number
  count: number
  readonly bins: Uint32Array
}

/** Counts requests and their latencies; takes a few kilobytes whatever happens. */
export class Meter {
  readonly #now: () => number
  readonly #seconds: Second[] = Array.from({ length: SECONDS }, () => ({
    number: -1,
    count: 0,
    bins: new Uint32Array(BINS),
  }))
  #sent = 0
  #failed = 0

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  get counts(): { readonly sent: number; readonly failed: number } {
    return { sent: this.#sent, failed: this.#failed }
  }

  /** Counts what is asked. @returns when it was, for `took` */
  begin(): number {
    this.#sent++
    return this.#now()
  }

  /** It was answered. */
  took(began: number): void {
    this.#took(this.#now() - began)
  }

  /** There was no answer. */
  failed(): void {
    this.#failed++
  }

  /** Counts what is asked, and how long its answer takes; without an answer it failed, unless who asked gave it up. */
  async timed<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const began = this.begin()
    try {
      const result = await work()
      this.took(began)
      return result
    } catch (error) {
      if (signal?.aborted !== true) this.failed()
      throw error
    }
  }

  get traffic(): Traffic {
    const now = Math.floor(this.#now() / 1000)
    const bins = new Uint32Array(BINS)
    let recent = 0
    for (const second of this.#seconds) {
      const age = now - second.number
      if (second.number < 0 || age >= SECONDS) continue
      // The second under way is not over yet.
      if (age > 0 && age <= RATE_SECONDS) recent += second.count
      second.bins.forEach((count, bin) => {
        bins[bin] = (bins[bin] ?? 0) + count
      })
    }
    const perSecond = recent / RATE_SECONDS
    const total = bins.reduce((sum, count) => sum + count, 0)
    if (total === 0) return { perSecond }
    return {
      perSecond,
      medianMilliseconds: percentile(bins, total / 2),
      p99Milliseconds: percentile(bins, total * 0.99),
    }
  }

  #took(milliseconds: number): void {
    const number = Math.floor(this.#now() / 1000)
    const second = this.#seconds[number % SECONDS]
    if (second === undefined) return
    if (second.number !== number) {
      second.number = number
      second.count = 0
      second.bins.fill(0)
    }
    second.count++
    const bin = Math.floor(Math.log2(Math.max(1, milliseconds * 1000)) * BINS_PER_OCTAVE)
    const at = Math.min(BINS - 1, bin)
    second.bins[at] = (second.bins[at] ?? 0) + 1
  }
}

/** Milliseconds at the middle of the bin where the sum of counts passes `rank`. */
function percentile(bins: Uint32Array, rank: number): number {
  let sum = 0
  const bin = bins.findIndex((count) => {
    sum += count
    return sum >= rank
  })
  const microseconds = 2 ** ((bin + 0.5) / BINS_PER_OCTAVE)
  return Number((microseconds / 1000).toPrecision(2))
}
