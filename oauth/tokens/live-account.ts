import type { Context } from '../context.js'
import type { AccountClaims, Grant } from '../types.js'

/** The account behind a grant, unless it is gone, disabled, or has since cut its grants off. */
export async function liveAccount(
  context: Context,
  grant: Grant,
): Promise<AccountClaims | undefined> {
  const account = await context.accounts.claims(grant.sub)
  if (account === undefined || grant.createdAt < (account.validSince ?? 0)) return undefined
  return account
}
