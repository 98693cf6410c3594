import { setTimeout as delay } from 'node:timers/promises'
import { CommandError } from '../command-error.js'
import { bytesOf, isAtHand, type UploadContent } from '../http/upload-content.js'
import { RemoteError } from '../remote-error.js'
import type { RemoteFiles } from './remote-files.js'

/** How many bytes a second may pass in each direction. */
export interface RateLimit {
  readonly upload?: number | undefined
  readonly download?: number | undefined
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }
const RATE = /^(\d+(?:\.\d+)?)([kmg]?)(?:i?b)?(?:\/s)?$/i

/** RATE, or UPLOAD:DOWNLOAD, where either may be left out: "500k", "1M:", ":2.5MiB/s". */
export function parseRateLimit(input: string): RateLimit {
  const [first = '', second, ...others] = input.split(':')
  if (others.length > 0 || input === ':' || input === '') throw badRate()
  if (second === undefined) return { upload: rate(first), download: rate(first) }
  return {
    upload: first === '' ? undefined : rate(first),
    download: second === '' ? undefined : rate(second),
  }
}

function rate(text: string): number {
  const [, amount = '', unit = ''] = RATE.exec(text) ?? []
  const bytes = Math.floor(Number(amount || Number.NaN) * (UNITS[unit.toLowerCase()] ?? Number.NaN))
  if (!(bytes > 0)) throw badRate()
  return bytes
}

function badRate(): CommandError {
  return new CommandError(
    'It must be bytes a second such as 500k or 2M, or UPLOAD:DOWNLOAD such as 1M:4M.',
  )
}

/** Lets bytes through in the order they come, on the average not faster than a rate. */
export class Pace {
  readonly #bytesPerMillisecond: number
  readonly #clock: () => number
  #freeAt = 0

  constructor(bytesPerSecond: number, clock: () => number) {
    this.#bytesPerMillisecond = bytesPerSecond / 1000
    this.#clock = clock
  }

  /** Milliseconds until the next turn begins. */
  get wait(): number {
    return Math.max(0, this.#freeAt - this.#clock())
  }

  /** Takes the next turn for so many bytes. @returns in how many milliseconds it begins, and ends */
  turn(bytes: number): { begins: number; ends: number } {
    const now = this.#clock()
    const begin = Math.max(now, this.#freeAt)
    this.#freeAt = begin + bytes / this.#bytesPerMillisecond
    return { begins: begin - now, ends: this.#freeAt - now }
  }
}

/** The kernel asks for no more at once: what is longer is read ahead. */
const SHORT_BYTES = 1 << 20
/** What is short counts for so much more while something long waits: a quarter of the rate is left to that. */
const SURCHARGE = 4 / 3

/**
 * What a program waits for does not wait for what is read ahead, which gets what is left of the rate: a quarter of it at least, for
 * whoever reads on waits for that.
 */
class Downloads {
  readonly #short: Pace
  readonly #all: Pace
  /** Of what is long, which is asked for in the order it comes. */
  #turn: Promise<void> = Promise.resolve()
  #isWaiting = false

  constructor(bytesPerSecond: number, clock: () => number) {
    this.#short = new Pace(bytesPerSecond, clock)
    this.#all = new Pace(bytesPerSecond, clock)
  }

  /** What came is there already: who asks for more waits, not who reads this. */
  async came(bytes: number): Promise<void> {
    this.#all.turn(bytes)
    const milliseconds = this.#short.turn(this.#isWaiting ? bytes * SURCHARGE : bytes).begins
    if (milliseconds > 0) await delay(milliseconds)
  }

  /** Resolves once so much may be asked for. @throws RemoteError EINTR if nobody needs it any more */
  mayCome(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const turn = this.#turn.then(() => this.#paid(bytes, signal))
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #paid(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    this.#isWaiting = true
    try {
      signal?.throwIfAborted()
      for (let wait = this.#all.wait; wait > 0; wait = this.#all.wait) {
        await delay(wait, undefined, signal === undefined ? {} : { signal })
      }
    } catch (cause) {
      throw new RemoteError('EINTR', 'given up', { cause })
    } finally {
      this.#isWaiting = false
    }
    this.#all.turn(bytes)
  }
}

/** Uploads and downloads at most as fast as the limit says; everything else as it comes. */
export function limitedRate(
  files: RemoteFiles,
  limit: RateLimit,
  clock: () => number,
): RemoteFiles {
  const up = limit.upload === undefined ? undefined : new Pace(limit.upload, clock)
  const down = limit.download === undefined ? undefined : new Downloads(limit.download, clock)
  /** An upload may be one burst of several MiB: it goes when its time is over, or a file of that size knew no limit. */
  const uploads = async (bytes: number): Promise<void> => {
    const milliseconds = up?.turn(bytes).ends ?? 0
    if (milliseconds > 0) await delay(milliseconds)
  }
  const slowed = (content: UploadContent): UploadContent => ({
    size: content.size,
    async *open() {
      for await (const piece of content.open()) {
        for (const slice of slices(piece, limit.upload ?? piece.length)) {
          await uploads(slice.length)
          yield slice
        }
      }
    },
  })
  const { readAll } = files
  return {
    ...files,
    ...(readAll === undefined
      ? {}
      : {
          async readAll(inos, bytes) {
            const contents = await readAll.call(files, inos, bytes)
            await down?.came(
              contents.reduce((sum, content) => sum + (content?.data.length ?? 0), 0),
            )
            return contents
          },
        }),
    async read(ino, offset, length, signal) {
      if (length > SHORT_BYTES) await down?.mayCome(length, signal)
      const content = await files.read(ino, offset, length, signal)
      if (length <= SHORT_BYTES) await down?.came(content.data.length)
      return content
    },
    async write(ino, parts, options) {
      await uploads(parts.reduce((sum, part) => sum + part.data.length, 0))
      return files.write(ino, parts, options)
    },
    async put(directory, name, content, options) {
      if (!isAtHand(content)) return files.put(directory, name, slowed(content), options)
      await uploads(bytesOf(content))
      return files.put(directory, name, content, options)
    },
  }
}

/** At most a second's worth each, so that the connection never looks dead. */
function* slices(piece: Buffer, length: number): Generator<Buffer> {
  for (let start = 0; start < piece.length; start += length) {
    yield piece.subarray(start, start + length)
  }
}
