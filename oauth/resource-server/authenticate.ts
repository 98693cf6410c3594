/** The resource server's side: who makes this request (RFC 9068 section 4, RFC 9449 section 7). */

import type { Context } from '../context.js'
import type { Call } from '../http/call.js'
import { digestOf } from '../secrets.js'
import { type AccessTokenClaims, audienceOf, verifyAccessToken } from '../tokens/access-token.js'
import type { AccountClaims, Authenticated, Client, Digest, Grant } from '../types.js'
import { presentedToken, refusal, unauthenticated } from './bearer.js'
import { checkPossession } from './possession.js'

const CACHE_MAX = 10_000

/** A token that counts at this moment. */
export interface LiveToken {
  readonly claims: AccessTokenClaims
  readonly client: Client
  /** As it was when it was looked up: when it was last used may be later by now. */
  readonly grant: Grant | undefined
  readonly account: AccountClaims | undefined
  readonly authenticated: Authenticated
}

interface Verified {
  readonly claims: AccessTokenClaims
  found?: Found
}

/** What was found of a token: so as long as the epoch is the same and its time is not over. */
interface Found {
  readonly live: LiveToken
  readonly epoch: number
  readonly until: number
}

/** Tokens whose signature was verified, by their digest. That can never change; revocation and expiry are looked at anew. */
export class VerifiedTokens {
  readonly #verified = new Map<Digest, Verified>()
  /** The Authorization field each connection sent last, and the bearer token in it. */
  readonly #shown = new WeakMap<object, { readonly field: string; readonly verified: Verified }>()

  /** What counted before and still does; undefined when that has to be looked up. */
  recall(context: Context, token: string): LiveToken | undefined {
    return counting(context, this.#verified.get(digestOf(token))?.found)
  }

  /**
   * The same for the field that came last on this connection: most requests show what the one before them did. A guess is compared
   * with nothing that others have shown elsewhere.
   */
  recallShown(context: Context, connection: object, field: string): LiveToken | undefined {
    const shown = this.#shown.get(connection)
    return shown?.field === field ? counting(context, shown.verified.found) : undefined
  }

  /** Remembers a field with a bearer token that counts. */
  noteShown(connection: object, field: string, token: string): void {
    const verified = this.#verified.get(digestOf(token))
    if (verified !== undefined) this.#shown.set(connection, { field, verified })
  }

  async verify(context: Context, token: string): Promise<Verified | undefined> {
    const digest = digestOf(token)
    const known = this.#verified.get(digest)
    if (known !== undefined) return known.claims.exp * 1000 > context.now() ? known : undefined
    const claims = await verifyAccessToken(context, token)
    if (claims === undefined) return undefined
    const [oldest] = this.#verified.keys()
    if (this.#verified.size >= CACHE_MAX && oldest !== undefined) this.#verified.delete(oldest)
    const verified = { claims }
    this.#verified.set(digest, verified)
    return verified
  }
}

function counting(context: Context, found: Found | undefined): LiveToken | undefined {
  if (found === undefined || found.epoch !== context.epoch()) return undefined
  return found.until > context.now() ? found.live : undefined
}

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
  const client = await context.store.client(claims.client_id)
  if (client === undefined) return undefined
  const standing = await context.store.standing(claims.jti, claims.grant_id, context.now())
  if (standing.kind === 'revoked') return undefined
  const { grant } = standing
  const account = grant === undefined ? undefined : await liveAccount(context, grant)
  if (grant !== undefined && account === undefined) return undefined
  const live = { claims, client, grant, account, authenticated: authenticatedBy(claims) }
  const until = Math.min(claims.exp * 1000, grant?.expiresAt ?? Number.POSITIVE_INFINITY)
  verified.found = { live, epoch, until }
  return live
}

function authenticatedBy(claims: AccessTokenClaims): Authenticated {
  const { sub, client_id, jti, grant_id: grantId, exp } = claims
  return { sub, client_id, scope: new Set((claims.scope ?? '').split(' ')), jti, grantId, exp }
}

/** The account behind a grant, unless it is gone, disabled, or has since cut its grants off. */
export async function liveAccount(
  context: Context,
  grant: Grant,
): Promise<AccountClaims | undefined> {
  const account = await context.accounts.claims(grant.sub)
  if (account === undefined || grant.createdAt < (account.validSince ?? 0)) return undefined
  return account
}

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
  if ((await context.store.client(client_id)) === undefined) return false
  const standing = await context.store.standing(jti, grantId, context.now())
  if (standing.kind === 'revoked') return false
  const { grant } = standing
  if (grant !== undefined) {
    if ((await liveAccount(context, grant)) === undefined) return false
    context.store.noteUse(grant.grantId, context.now(), grant.lastUsedFrom)
  }
  // Looked up again after a while all the same: that is how it is known when access was last used.
  const end = Math.min(exp * 1000, grant?.expiresAt ?? Number.POSITIVE_INFINITY)
  LIVE.set(authenticated, { epoch, until: Math.min(end, context.now() + USE_MILLISECONDS) })
  return true
}
