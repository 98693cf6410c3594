import type { Parameters } from './parameters.js'

/** One request, as the endpoints see it: no framework in it. */
export interface Call {
  readonly method: string
  /** Absolute, made of the configured issuer; never of the Host field (RFC 9700 section 4.13). */
  readonly url: string
  /** Every field line on its own, so that repeated ones show. */
  readonly headers: NodeJS.Dict<readonly string[]>
  readonly address: string
  readonly parameters: Parameters
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Sent as JSON; absent for an empty answer. */
  readonly body?: unknown
}
