/** The resource server's side: who makes this request (RFC 9068 section 4, RFC 9449 section 7). */

import type { Context } from '../context.js'
import type { Call } from '../http/call.js'
import { audienceOf } from '../tokens/access-token.js'
import { liveToken } from '../tokens/live-token.js'
import type { LiveToken, VerifiedTokens } from '../tokens/verified-tokens.js'
import { presentedToken, refusal, unauthenticated } from './bearer.js'
import { checkPossession } from './possession.js'

export interface AuthenticateOptions {
  /** Any one of these must be in `aud`. */
  readonly audiences: ReadonlySet<string>
  readonly scope: string
}

/** @throws OAuthError with its challenges */
export async function authenticate(
  context: Context,
  tokens: VerifiedTokens,
  call: Call,
  needed: AuthenticateOptions,
): Promise<LiveToken> {
  const presented = presentedToken(context, call)
  if (presented.kind === 'nothing') throw unauthenticated(context, needed.scope)
  const live = await liveToken(context, tokens, presented.token)
  if (live === undefined) {
    throw refusal(
      context,
      'invalid_token',
      'the access token is invalid, expired or revoked',
      needed.scope,
    )
  }
  checkAudience(context, live, needed)
  await checkPossession(context, call, presented, live)
  checkScope(context, live, needed)
  return live
}

/**
 * The same for a token that was let in before and is bound to no key: nothing has to be waited for. Undefined when
 * `authenticate` has to see to it.
 */
export function recognize(
  context: Context,
  tokens: VerifiedTokens,
  call: Call,
  connection: object,
  needed: AuthenticateOptions,
): LiveToken | undefined {
  const live = recalled(context, tokens, call, connection)
  if (live === undefined) return undefined
  checkAudience(context, live, needed)
  checkScope(context, live, needed)
  return live
}

function recalled(
  context: Context,
  tokens: VerifiedTokens,
  call: Call,
  connection: object,
): LiveToken | undefined {
  const [field, ...more] = call.headers.authorization
  if (field !== undefined && more.length === 0) {
    const shown = tokens.recallShown(context, connection, field)
    if (shown !== undefined) return shown
  }
  const presented = presentedToken(context, call)
  if (field === undefined || presented.kind === 'nothing') return undefined
  if (presented.scheme !== 'Bearer') return undefined
  const live = tokens.recall(context, presented.token)
  if (live === undefined || live.claims.cnf !== undefined) return undefined
  tokens.noteShown(connection, field, presented.token)
  return live
}

function checkAudience(
  context: Context,
  { claims }: LiveToken,
  { audiences, scope }: AuthenticateOptions,
): void {
  if (audienceOf(claims).some((audience) => audiences.has(audience))) return
  throw refusal(context, 'invalid_token', 'the access token is for another resource', scope)
}

function checkScope(
  context: Context,
  { authenticated }: LiveToken,
  { scope }: AuthenticateOptions,
): void {
  if (authenticated.scope.has(scope)) return
  throw refusal(context, 'insufficient_scope', `the access token lacks the scope ${scope}`, scope)
}

/** People see when and from where what they let in was used last. */
export function noteUse(context: Context, { claims }: LiveToken, address: string): void {
  if (claims.grant_id !== undefined) context.store.noteUse(claims.grant_id, context.now(), address)
}
