import { setTimeout as delay } from 'node:timers/promises'
import { RemoteError } from '../remote-error.js'
import type { Connection } from './connection.js'
import { type Answer, Declined, ExchangeError } from './exchange.js'
import { HANDSHAKE_MILLISECONDS } from './trust.js'

/**
 * Repeats an exchange while the server is away, up to a limit. The attempt is told whether an earlier one may have been
 * carried out although its answer was lost; docs/retries.md says what each operation makes of that.
 */
export type Attempt<T> = (earlier: 'none' | 'perhaps done') => Promise<T>

export interface Patience {
  /** How long an operation is tried again after its trouble began. */
  readonly milliseconds: number
  /** The same, once the server has been away for longer than that: programs get their errors sooner. */
  readonly whileAwayMilliseconds: number
}

export const PATIENCE: Patience = { milliseconds: 60_000, whileAwayMilliseconds: 10_000 }

const FIRST_PAUSE_MILLISECONDS = 50
const LONGEST_PAUSE_MILLISECONDS = 2_000
/** A server may ask for a longer one (Retry-After), but programs are waiting. */
const LONGEST_REQUESTED_PAUSE_MILLISECONDS = 10_000

/** What a gateway, a restarting or a busy server answers (RFC 9110 section 15, RFC 6585 section 4): worth another try. */
const PASSING = new Set([408, 425, 429, 502, 503, 504])

/** The server, or something before it, is there but does not serve this now. */
export class Busy extends Error {
  override readonly name = 'Busy'
  readonly pauseMilliseconds: number | undefined

  constructor(answer: Answer, who = 'the server') {
    super(`${who} answered ${answer.status}`)
    const seconds = Number(answer.headers['retry-after'] ?? Number.NaN)
    this.pauseMilliseconds = Number.isFinite(seconds)
      ? Math.min(seconds * 1000, LONGEST_REQUESTED_PAUSE_MILLISECONDS)
      : undefined
  }
}

/** @throws Busy for an answer that asks to come again */
export function settled(answer: Answer): Answer {
  if (PASSING.has(answer.status)) throw new Busy(answer)
  return answer
}

export interface RetryOptions {
  readonly connection: Connection
  readonly patience: Patience
  /** `perhaps done`: before the first attempt the same was tried on another way. */
  readonly earlier?: 'perhaps done'
  readonly signal?: AbortSignal | undefined
  /** Called after a connection turned out dead: others may be too. */
  readonly lost: () => void
}

/** @throws RemoteError EIO once patience is over, EINTR if the caller gives up; and what the attempt refuses with */
export async function persistently<T>(attempt: Attempt<T>, options: RetryOptions): Promise<T> {
  const { connection, patience, signal } = options
  const limit = connection.isAwayFor(patience.milliseconds)
    ? patience.whileAwayMilliseconds
    : patience.milliseconds
  let earlier: 'none' | 'perhaps done' = options.earlier ?? 'none'
  let troubleSince: number | undefined
  const wait = (pause: number, since: number, trouble: string, cause?: unknown) => {
    if (connection.now - since + pause < limit) return rest(pause, signal)
    connection.givenUp()
    const seconds = Math.round(limit / 1000)
    throw new RemoteError('EIO', `gave up after ${seconds} s: ${trouble}`, { cause })
  }
  for (let tries = 0; ; tries++) {
    if (connection.hasEnded) throw new RemoteError('EIO', 'the mount was taken away by force')
    const begun = connection.now
    if (!connection.mayTry()) {
      troubleSince ??= begun
      await wait(pauseAfter(tries), troubleSince, connection.trouble)
      continue
    }
    const exchange = connection.begin()
    try {
      const result = await attempt(earlier)
      connection.reached(exchange)
      return result
    } catch (error) {
      if (signal?.aborted) throw new RemoteError('EINTR', 'interrupted', { cause: error })
      const failure = passing(error)
      if (failure === undefined) {
        if (error instanceof RemoteError) connection.reached(exchange)
        if (error instanceof ExchangeError && error.kind === 'untrusted') {
          connection.missed(error.message, error.kind, exchange)
        }
        throw final(error)
      }
      if (failure.perhapsDone) earlier = 'perhaps done'
      if (failure.isThere === true) connection.reached(exchange)
      else {
        connection.missed(failure.trouble, failure.perhapsDone ? 'lost' : 'unreachable', exchange)
        options.lost()
      }
      const pause = failure.pauseMilliseconds ?? pauseAfter(tries)
      troubleSince ??= begunTrouble(failure, begun, connection.now)
      await wait(pause, troubleSince, failure.trouble, error)
    }
  }
}

/** Who found no server has waited since the try began, or since it had its turn; who lost one was well until then. */
function begunTrouble({ perhapsDone }: Passing, begun: number, now: number): number {
  return perhapsDone ? now : Math.max(begun, now - HANDSHAKE_MILLISECONDS)
}

interface Passing {
  readonly trouble: string
  readonly perhapsDone: boolean
  /** The server has answered: a token has ended, say, and the next try brings another one. */
  readonly isThere?: boolean
  readonly pauseMilliseconds?: number | undefined
}

function passing(error: unknown): Passing | undefined {
  if (error instanceof Busy) {
    return {
      trouble: error.message,
      perhapsDone: true,
      pauseMilliseconds: error.pauseMilliseconds,
    }
  }
  if (!(error instanceof ExchangeError)) return undefined
  switch (error.kind) {
    case 'unreachable':
      return { trouble: error.message, perhapsDone: false, isThere: isThere(error) }
    case 'lost':
      return { trouble: error.message, perhapsDone: true }
    case 'untrusted':
    case 'oversized':
    case 'aborted':
      return undefined
  }
}

function isThere(error: ExchangeError): boolean {
  return error instanceof Declined && !PASSING.has(error.status ?? 0)
}

function final(error: unknown): unknown {
  if (!(error instanceof ExchangeError)) return error
  return new RemoteError(error.kind === 'aborted' ? 'EINTR' : 'EIO', error.message, {
    cause: error,
  })
}

/** Doubles from try to try; at random between half and all of it, so that clients do not come back in step. */
function pauseAfter(tries: number): number {
  const full = Math.min(FIRST_PAUSE_MILLISECONDS * 2 ** tries, LONGEST_PAUSE_MILLISECONDS)
  return full / 2 + Math.random() * (full / 2)
}

async function rest(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (cause) {
    throw new RemoteError('EINTR', 'interrupted', { cause })
  }
}
