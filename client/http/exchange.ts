import type { IncomingHttpHeaders } from 'node:http'
import type { UploadContent } from './upload-content.js'

/** One HTTP request as the client asks for it, and its answer. `client/http/api.ts` carries it out. */
export interface Exchange {
  readonly method: string
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly content?: Buffer | UploadContent
  /** An answer with more bytes than this is refused. */
  readonly limit: number
  /** An answer that is not whole by then is lost, however steadily it trickles; for what is small. */
  readonly deadlineMilliseconds?: number
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** The body is in memory that is used again once nobody has a view of it any more. */
  release?(): void
}

/** One for an old token, one for a clock that is wrong, one for a nonce that is asked for (RFC 9449 section 9). */
export const MOST_REFUSALS = 3

/** @throws ExchangeError if there is no answer */
export type Send = (exchange: Exchange) => Promise<Answer>

/**
 * Why there is no answer.
 * - `unreachable`: no connection came about, so the server has not seen the request
 * - `lost`: the connection broke or fell silent; the server may have carried the request out
 * - `untrusted`: the server's certificate is not one we trust
 * - `oversized`: more came than was asked for
 * - `aborted`: our own caller gave up
 */
export type NoAnswer = 'unreachable' | 'lost' | 'untrusted' | 'oversized' | 'aborted'

export class ExchangeError extends Error {
  override readonly name = 'ExchangeError'
  readonly kind: NoAnswer

  constructor(kind: NoAnswer, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** The server answered, but did not take the exchange up. */
export class Declined extends ExchangeError {
  /** Undefined where it is a channel that answered. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super('unreachable', message)
    this.status = status
  }
}
