/** The resource server's side: who makes this request (RFC 9068 section 4, RFC 9449 section 7). */
import { type AccessTokenClaims, audienceOf, verifyAccessToken } from './access-token.js'
import { presentedToken, refusal, type Scheme, unauthenticated } from './bearer.js'
import type { Call } from './call.js'
import type { Context } from './context.js'
import { provenKey } from './dpop.js'
import { OAuthError } from './errors.js'
import { digestOf } from './secrets.js'
import type { AccountClaims, Authenticated, Digest, Grant } from './types.js'

const CACHE_MAX = 10_000

/**
 * Verified claims by the digest of their token. Only what can never change is remembered; expiry and revocation are looked
 * up on every request.
 */
export class VerifiedTokens {
  readonly #claims = new Map<Digest, AccessTokenClaims>()

  async verify(context: Context, token: string): Promise<AccessTokenClaims | undefined> {
    const digest = digestOf(token)
    const known = this.#claims.get(digest)
    if (known !== undefined) return known.exp * 1000 > context.now() ? known : undefined
    const claims = await verifyAccessToken(context, token)
    if (claims === undefined) return undefined
    const [oldest] = this.#claims.keys()
    if (this.#claims.size >= CACHE_MAX && oldest !== undefined) this.#claims.delete(oldest)
    this.#claims.set(digest, claims)
    return claims
  }
}

/** A token that counts at this moment. */
export interface LiveToken {
  readonly claims: AccessTokenClaims
  readonly grant: Grant | undefined
  readonly account: AccountClaims | undefined
}

/** Not expired, not revoked, its grant alive, its user still there. */
export async function liveToken(
  context: Context,
  tokens: VerifiedTokens,
  token: string,
): Promise<LiveToken | undefined> {
  const claims = await tokens.verify(context, token)
  if (claims === undefined) return undefined
  const standing = await context.store.standing(claims.jti, claims.grant_id, context.now())
  if (standing.kind === 'revoked') return undefined
  const { grant } = standing
  if (grant === undefined) return { claims, grant, account: undefined }
  const account = await liveAccount(context, grant)
  return account === undefined ? undefined : { claims, grant, account }
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

export async function authenticate(
  context: Context,
  tokens: VerifiedTokens,
  call: Call,
  { audiences, scope }: AuthenticateOptions,
): Promise<{ readonly authenticated: Authenticated; readonly live: LiveToken }> {
  const presented = presentedToken(context, call)
  if (presented.kind === 'nothing') throw unauthenticated(context, scope)
  const live = await liveToken(context, tokens, presented.token)
  if (live === undefined) {
    throw refusal(
      context,
      'invalid_token',
      'the access token is invalid, expired or revoked',
      scope,
    )
  }
  const { claims } = live
  if (!audienceOf(claims).some((audience) => audiences.has(audience))) {
    throw refusal(context, 'invalid_token', 'the access token is for another resource', scope)
  }
  await checkPossession(context, call, presented.scheme, presented.token, claims)
  const granted = new Set((claims.scope ?? '').split(' '))
  if (!granted.has(scope)) {
    throw refusal(context, 'insufficient_scope', `the access token lacks the scope ${scope}`, scope)
  }
  const { sub, client_id, jti, grant_id: grantId, exp } = claims
  return { authenticated: { sub, client_id, scope: granted, jti, grantId, exp }, live }
}

/** Whether what was authenticated earlier still counts: for answers that go on for long after their request. */
export async function isStillLive(
  context: Context,
  { jti, grantId, exp }: Authenticated,
): Promise<boolean> {
  if (exp * 1000 <= context.now()) return false
  const standing = await context.store.standing(jti, grantId, context.now())
  if (standing.kind === 'revoked') return false
  const { grant } = standing
  return grant === undefined || (await liveAccount(context, grant)) !== undefined
}

/** A bound token needs its key, an unbound one must not pretend to have one (RFC 9449 sections 7.1 and 7.2). */
async function checkPossession(
  context: Context,
  call: Call,
  scheme: Scheme,
  token: string,
  { cnf }: AccessTokenClaims,
): Promise<void> {
  if (scheme === 'Bearer' && cnf === undefined) return
  if (scheme === 'Bearer')
    throw refusal(
      context,
      'invalid_token',
      'the access token is bound to a key: use the DPoP scheme',
    )
  if (cnf === undefined)
    throw refusal(
      context,
      'invalid_token',
      'the access token is not bound to a key: use the Bearer scheme',
    )
  const jkt = await provenKey(context, call, token).catch((error: unknown) => {
    throw error instanceof OAuthError ? refusal(context, error.error, error.message) : error
  })
  if (jkt === undefined) throw refusal(context, 'invalid_dpop_proof', 'the DPoP proof is missing')
  if (jkt !== cnf.jkt)
    throw refusal(context, 'invalid_token', 'the access token is bound to another key')
}
