import { z } from 'zod'
import type { Answer, Send } from '../http/exchange.js'
import { settled } from '../http/retry.js'
import { type Account, jsonOrNothing } from './account.js'
import { type DpopKey, wantsProof } from './dpop.js'
import { subjectOf } from './subject.js'
import type { Tokens } from './tokens.js'

/** The authorization server refused (RFC 6749 section 5.2). */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly error: string

  constructor(error: string, description: string) {
    super(description === '' ? error : `${error}: ${description}`)
    this.error = error
  }
}

/** A token of a type that is not understood must not be used (RFC 6749 section 7.1); a type in any case (section 5.1). */
const TOKEN_TYPES: ReadonlyMap<string, Tokens['token_type']> = new Map([
  ['bearer', 'Bearer'], // RFC 6750
  ['dpop', 'DPoP'], //     RFC 9449
])

/** 1*VSCHAR (RFC 6749 appendix A.12): it goes into a header field. */
const TOKEN = z.string().regex(/^[\x21-\x7e]+$/)
const DECADE_SECONDS = 315_360_000

/** RFC 6749 section 5.1 */
const TOKEN_RESPONSE = z.object({
  access_token: TOKEN,
  token_type: z.string(),
  expires_in: z.number().positive().max(DECADE_SECONDS).default(3600),
  refresh_token: z.string().min(1).optional(),
  scope: z.string().optional(),
  id_token: z.string().optional(),
})
const ERROR_RESPONSE = z.object({ error: z.string(), error_description: z.string().optional() })

export type Endpoint = Pick<Account, 'client_id' | 'token_endpoint' | 'scope'>

const ANSWER_LIMIT = 256 * 1024
/** Whoever refreshes keeps others waiting. */
const DEADLINE_MILLISECONDS = 30_000
/** The first may be wrong by the server's clock, and the second for want of a nonce (RFC 9449 section 8). */
const MOST_PROOFS = 3

/** POSTs a form to an endpoint of the authorization server. @throws Busy, ExchangeError */
export async function postForm(
  send: Send,
  url: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<Answer> {
  return settled(
    await send({
      method: 'POST',
      url: new URL(url),
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        Accept: 'application/json',
        ...headers,
      },
      content: Buffer.from(new URLSearchParams(form).toString()),
      limit: ANSWER_LIMIT,
      deadlineMilliseconds: DEADLINE_MILLISECONDS,
      signal,
    }),
  )
}

/** @throws Refused with the error code of the answer */
export function refused(answer: Answer): Refused {
  const parsed = ERROR_RESPONSE.safeParse(jsonOrNothing(answer.body.toString()))
  return parsed.success
    ? new Refused(parsed.data.error, parsed.data.error_description ?? '')
    : new Refused('server_error', `the server answered ${answer.status}`)
}

/** How a token request is made. */
export interface TokenRequest {
  readonly send: Send
  readonly endpoint: Endpoint
  readonly grant: Readonly<Record<string, string>>
  readonly now: number
  /** The key that the tokens shall be bound to, or are. */
  readonly key?: DpopKey | undefined
  readonly signal?: AbortSignal | undefined
}

/** Asks the token endpoint for tokens by one grant. @throws Refused */
export async function requestTokens(request: TokenRequest): Promise<Tokens> {
  const { endpoint, now, key } = request
  const url = new URL(endpoint.token_endpoint)
  let answer = await askOnce(request)
  key?.learn(url, answer.headers)
  // The key may have learned of the nonce by another answer meanwhile: this one still wants another proof.
  for (let proofs = 1; key !== undefined && proofs < MOST_PROOFS; proofs++) {
    if (answer.status !== 400 || !wantsProof(answer)) break
    answer = await askOnce(request)
    key.learn(url, answer.headers)
  }
  if (answer.status !== 200) throw refused(answer)
  const parsed = TOKEN_RESPONSE.safeParse(jsonOrNothing(answer.body.toString()))
  if (!parsed.success) throw new Refused('server_error', 'the token response makes no sense')
  const { access_token, expires_in, refresh_token, scope, id_token } = parsed.data
  const token_type = TOKEN_TYPES.get(parsed.data.token_type.toLowerCase())
  // RFC 9449 section 5: tokens that anybody could use are not what was asked for.
  if (token_type !== (key === undefined ? 'Bearer' : 'DPoP')) {
    throw new Refused('server_error', 'the token is not of the type that was asked for')
  }
  const subject = id_token === undefined ? undefined : subjectOf(id_token)
  return {
    access_token,
    token_type,
    scope: scope ?? endpoint.scope,
    issuedAt: now,
    expiresAt: now + expires_in * 1000,
    ...(refresh_token === undefined ? {} : { refresh_token }),
    ...(subject === undefined ? {} : { subject }),
    ...(key === undefined ? {} : { dpopKey: { ...key.privateJwk } }),
  }
}

function askOnce({ send, endpoint, grant, key, signal }: TokenRequest): Promise<Answer> {
  const { token_endpoint, client_id } = endpoint
  const url = new URL(token_endpoint)
  const headers = key === undefined ? {} : { DPoP: key.proof({ method: 'POST', url }) }
  return postForm(send, token_endpoint, { client_id, ...grant }, headers, signal)
}
