/** What introspection says of a token of ours, whatever its kind (RFC 7662 section 2.2). */

import { type Context, seconds } from '../context.js'
import { JsonText } from '../http/answer.js'
import { liveAccount } from '../tokens/live-account.js'
import { liveToken } from '../tokens/live-token.js'
import { refreshTokenDigest } from '../tokens/stamped-token.js'
import type { LiveToken, VerifiedTokens } from '../tokens/verified-tokens.js'

export type TokenStatus =
  | {
      readonly kind: 'active'
      readonly client_id: string
      /** The answer of RFC 7662 section 2.2. */
      readonly json: JsonText
    }
  | { readonly kind: 'inactive' }

const INACTIVE: TokenStatus = { kind: 'inactive' }

/** token_type_hint is a hint only, and not needed: a lookup by digest is quick (RFC 7009 section 2.1). */
export async function tokenStatus(
  context: Context,
  tokens: VerifiedTokens,
  token: string,
): Promise<TokenStatus> {
  const live = await liveToken(context, tokens, token)
  return live === undefined ? await refreshTokenStatus(context, token) : statusOf(live)
}

/** What is said of a token stays the same for as long as it is remembered. */
const SAID = new WeakMap<LiveToken, TokenStatus>()

function statusOf(live: LiveToken): TokenStatus {
  const said = SAID.get(live)
  if (said !== undefined) return said
  const { grant_id: _, ...members } = live.claims
  const token_type = members.cnf === undefined ? 'Bearer' : 'DPoP'
  const username = live.account?.preferred_username
  const status = active(members.client_id, {
    ...members,
    token_type,
    ...(username !== undefined && { username }),
  })
  SAID.set(live, status)
  return status
}

function active(client_id: string, members: Readonly<Record<string, unknown>>): TokenStatus {
  return {
    kind: 'active',
    client_id,
    json: new JsonText(JSON.stringify({ active: true, ...members })),
  }
}

async function refreshTokenStatus(context: Context, token: string): Promise<TokenStatus> {
  const found = await context.store.refreshToken(refreshTokenDigest(token))
  if (found === undefined) return INACTIVE
  const { token: stored, grant } = found
  const now = context.now()
  if (stored.spentAt !== undefined || grant.revokedAt !== undefined) return INACTIVE
  if (stored.expiresAt <= now || grant.expiresAt <= now) return INACTIVE
  if ((await liveAccount(context, grant)) === undefined) return INACTIVE
  const { client_id, dpop_jkt } = stored
  return active(client_id, {
    client_id,
    iss: context.issuer,
    sub: grant.sub,
    scope: grant.scope,
    aud: grant.resource,
    exp: seconds(Math.min(stored.expiresAt, grant.expiresAt)),
    ...(dpop_jkt !== undefined && { cnf: { jkt: dpop_jkt } }),
  })
}
