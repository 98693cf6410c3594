/** A bound token needs its key, an unbound one must not pretend to have one (RFC 9449 sections 7.1 and 7.2). */

import { provenKey } from '../clients/dpop.js'
import type { Context } from '../context.js'
import { OAuthError, type OAuthErrorCode } from '../errors.js'
import type { Call } from '../http/call.js'
import type { AccessTokenClaims } from '../tokens/access-token.js'
import type { Client } from '../types.js'
import { type PresentedToken, refusal } from './bearer.js'

/** An access token that counts, and whose it is. */
interface Shown {
  readonly claims: AccessTokenClaims
  readonly client: Client
}

/** @throws OAuthError with its challenges */
export async function checkPossession(
  context: Context,
  call: Call,
  { scheme, token }: PresentedToken,
  shown: Shown,
): Promise<void> {
  const { cnf } = shown.claims
  if (cnf === undefined) {
    if (scheme === 'Bearer') return
    throw refusal(
      context,
      'invalid_token',
      'the access token is not bound to a key: use the Bearer scheme',
    )
  }
  const refuse = (error: OAuthErrorCode, description: string) => {
    if (error !== 'use_dpop_nonce') noteRefusal(context, call, shown, description)
    return refusal(context, error, description)
  }
  if (scheme === 'Bearer') {
    throw refuse('invalid_token', 'the access token is bound to a key: use the DPoP scheme')
  }
  const jkt = await provenKey(context, call, shown.client, token).catch((error: unknown) => {
    throw error instanceof OAuthError ? refuse(error.error, error.message) : error
  })
  if (jkt === undefined) throw refuse('invalid_dpop_proof', 'the DPoP proof is missing')
  if (jkt !== cnf.jkt) throw refuse('invalid_token', 'the access token is bound to another key')
}

/** Perhaps of a thief, who has the token and not its key: told of once in a while, from however many addresses it is shown. */
function noteRefusal(
  { refusedTokens, audit, now }: Context,
  { address }: Call,
  { claims: { sub, client_id, grant_id } }: Shown,
  detail: string,
): void {
  if (!refusedTokens.isFirst(grant_id ?? client_id, now())) return
  const whose = { sub, client_id, ...(grant_id !== undefined && { grantId: grant_id }) }
  audit({ type: 'token.refuse', outcome: 'failure', ...whose, address, detail })
}
