/** Whether an access token counts at this moment. */

import type { Context } from '../context.js'
import type { AccountClaims, Authenticated, Client, Grant } from '../types.js'
import type { AccessTokenClaims } from './access-token.js'
import { liveAccount } from './live-account.js'
import type { LiveToken, VerifiedTokens } from './verified-tokens.js'

/** Not expired, not revoked, its grant alive, its client and its user still there. */
export async function liveToken(
  context: Context,
  tokens: VerifiedTokens,
  token: string,
): Promise<LiveToken | undefined> {
  const recalled = tokens.recall(context, token)
  if (recalled !== undefined) return recalled
  // Asked before anything is read: what changes meanwhile belongs to the next epoch.
  const epoch = context.epoch()
  const verified = await tokens.verify(context, token)
  if (verified === undefined) return undefined
  const { claims } = verified
  const found = await behindToken(context, claims.client_id, claims.jti, claims.grant_id)
  if (found === undefined) return undefined
  const live = { claims, ...found, authenticated: authenticatedBy(claims) }
  verified.found = { live, epoch, until: endOf(claims.exp, found.grant) }
  return live
}

function authenticatedBy(claims: AccessTokenClaims): Authenticated {
  const { sub, client_id, jti, grant_id: grantId, exp } = claims
  return { sub, client_id, scope: new Set((claims.scope ?? '').split(' ')), jti, grantId, exp }
}

/** Who got a token, and who let it be got. */
interface BehindToken {
  readonly client: Client
  readonly grant: Grant | undefined
  readonly account: AccountClaims | undefined
}

/** Undefined unless the client and the user are still there and nothing is revoked. */
async function behindToken(
  context: Context,
  client_id: string,
  jti: string,
  grantId: string | undefined,
): Promise<BehindToken | undefined> {
  const client = await context.store.client(client_id)
  if (client === undefined) return undefined
  const standing = await context.store.standing(jti, grantId, context.now())
  if (standing.kind === 'revoked') return undefined
  const { grant } = standing
  const account = grant === undefined ? undefined : await liveAccount(context, grant)
  if (grant !== undefined && account === undefined) return undefined
  return { client, grant, account }
}

/** When a token ends by itself, in milliseconds: with its grant at the latest. */
function endOf(exp: number, grant: Grant | undefined): number {
  return Math.min(exp * 1000, grant?.expiresAt ?? Number.POSITIVE_INFINITY)
}

/** How exactly it is known when access was last used. */
const USE_MILLISECONDS = 60_000

/** Until when what was authenticated still counts, unless the epoch is another one by then. */
const LIVE = new WeakMap<Authenticated, { readonly epoch: number; readonly until: number }>()

/**
 * Whether what was authenticated earlier still counts: for answers that go on for long after their request. Answered at
 * once where nothing has changed since it was asked before.
 */
export function isStillLive(
  context: Context,
  authenticated: Authenticated,
): boolean | Promise<boolean> {
  const known = LIVE.get(authenticated)
  // Asked before anything is read: what changes meanwhile belongs to the next epoch.
  const epoch = context.epoch()
  if (known?.epoch === epoch && known.until > context.now()) return true
  return lookUp(context, authenticated, epoch)
}

async function lookUp(
  context: Context,
  authenticated: Authenticated,
  epoch: number,
): Promise<boolean> {
  const { client_id, jti, grantId, exp } = authenticated
  if (exp * 1000 <= context.now()) return false
  const found = await behindToken(context, client_id, jti, grantId)
  if (found === undefined) return false
  const { grant } = found
  if (grant !== undefined) {
    context.store.noteUse(grant.grantId, context.now(), grant.lastUsedFrom)
  }
  // Looked up again after a while all the same: that is how it is known when access was last used.
  const until = Math.min(endOf(exp, grant), context.now() + USE_MILLISECONDS)
  LIVE.set(authenticated, { epoch, until })
  return true
}
