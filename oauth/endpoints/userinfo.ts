/** The UserInfo endpoint (OpenID Connect Core section 5.3). */

import { currentNonce } from '../clients/dpop.js'
import type { Context } from '../context.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import { authenticate, noteUse } from '../resource-server/authenticate.js'
import { refusal } from '../resource-server/bearer.js'
import type { VerifiedTokens } from '../tokens/verified-tokens.js'
import type { AccountClaims } from '../types.js'

/** Claims that a scope asks for (OpenID Connect Core section 5.4), of those we know. */
const CLAIMS: Readonly<Record<string, readonly (keyof AccountClaims)[]>> = {
  profile: ['name', 'preferred_username', 'updated_at'],
  email: ['email', 'email_verified'],
}

export async function userinfo(
  context: Context,
  tokens: VerifiedTokens,
  call: Call,
): Promise<Answer> {
  const live = await authenticate(context, tokens, call, {
    audiences: context.resources,
    scope: 'openid',
  })
  noteUse(context, live, call.address)
  const { account, authenticated } = live
  if (account === undefined)
    throw refusal(context, 'invalid_token', 'there is no user behind the token')
  const body: Partial<Record<keyof AccountClaims, unknown>> = { sub: account.sub }
  for (const [scope, claims] of Object.entries(CLAIMS)) {
    if (!authenticated.scope.has(scope)) continue
    for (const claim of claims) {
      if (account[claim] !== undefined) body[claim] = account[claim]
    }
  }
  const bound = live.claims.cnf !== undefined
  return { status: 200, body, ...(bound && { headers: { 'DPoP-Nonce': currentNonce(context) } }) }
}
