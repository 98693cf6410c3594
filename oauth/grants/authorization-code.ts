/** The authorization code grant (RFC 6749 section 4.1.3, RFC 7636 section 4.6). */

import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Parameters } from '../http/parameters.js'
import { isCodeVerifier, verifies } from '../pkce.js'
import { digestOf } from '../secrets.js'
import { liveAccount } from '../tokens/live-account.js'
import { narrowedResources } from '../tokens/resource.js'
import type { AuthorizationCode, Grant } from '../types.js'
import { firstRefreshToken } from './first-refresh-token.js'
import type { GrantHandler, GrantRequest } from './request.js'
import { userTokens } from './token-response.js'

export const authorizationCode: GrantHandler = async (context, request) => {
  const { call, client, jkt } = request
  const form = call.parameters
  const digest = digestOf(form.required('code'))
  const code_verifier = requiredVerifier(form)
  const state = await context.store.authorizationCode(digest, context.now())
  if (state.kind === 'unknown') throw unknownCode()
  // Somebody else's code stays as it was: its owner can still redeem it.
  if (state.code.client_id !== client.client_id) {
    audit(context, request, state.code, 'failure', 'the code of another client was shown')
    throw unknownCode()
  }
  if (state.kind === 'redeemed') throw await replayed(context, request, state.code)

  const { code, grant } = state
  checkRedirect(form, code)
  if (code.dpop_jkt !== undefined && code.dpop_jkt !== jkt) {
    audit(context, request, code, 'failure', 'the code is bound to another DPoP key')
    throw new OAuthError('invalid_grant', 'the code is bound to another DPoP key')
  }
  const resource = narrowedResources(form, grant.resource)
  if (!verifies(code_verifier, code.code_challenge))
    throw await wrongVerifier(context, request, code)
  if ((await liveAccount(context, grant)) === undefined) throw unknownCode()

  const { refresh_token, redemption } = firstRefreshToken(context, request)
  const outcome = await context.store.redeemCode(digest, redemption)
  switch (outcome.kind) {
    case 'dead':
      throw unknownCode()
    case 'replayed':
      throw await replayed(context, request, code)
    case 'redeemed':
      audit(context, request, outcome.grant, 'success')
      return userTokens(context, {
        client,
        grant: outcome.grant,
        scope: outcome.grant.scope,
        resource,
        jkt,
        refresh_token,
        nonce: outcome.grant.nonce,
      })
  }
}

/** Every code here has a challenge, so every redemption needs a verifier (RFC 7636 section 4.5). */
function requiredVerifier(form: Parameters): string {
  const code_verifier = form.required('code_verifier')
  if (isCodeVerifier(code_verifier)) return code_verifier
  throw new OAuthError(
    'invalid_request',
    'the code_verifier must be 43 to 128 unreserved characters',
  )
}

/** Identical if it is sent; OAuth 2.1 clients leave it out (section 10.2), and PKCE does its work. */
function checkRedirect(form: Parameters, code: AuthorizationCode): void {
  const redirect_uri = form.optional('redirect_uri')
  if (redirect_uri === code.redirect_uri) return
  if (redirect_uri === undefined && !code.redirect_uri_sent) return
  throw new OAuthError('invalid_grant', 'the redirect_uri is not that of the authorization request')
}

/** A wrong verifier means a stolen code: it dies with the grant behind it, so nobody gets to guess. */
async function wrongVerifier(context: Context, request: GrantRequest, code: AuthorizationCode) {
  await context.store.revokeGrant(code.grantId, context.now())
  audit(context, request, code, 'failure', 'the code_verifier does not match')
  return new OAuthError('invalid_grant', 'the code_verifier does not match; the code is void now')
}

/** Used twice: whoever was first may be a thief, so everything issued from it dies (RFC 6749 section 4.1.2). */
async function replayed(context: Context, request: GrantRequest, code: AuthorizationCode) {
  await context.store.revokeGrant(code.grantId, context.now())
  audit(context, request, code, 'failure', 'the code was used twice; its tokens are revoked')
  return new OAuthError(
    'invalid_grant',
    'the code was used before; all tokens issued from it are revoked',
  )
}

function unknownCode(): OAuthError {
  return new OAuthError('invalid_grant', 'the code is unknown, expired or for another client')
}

function audit(
  context: Context,
  { call, client }: GrantRequest,
  { grantId }: Pick<Grant, 'grantId'>,
  outcome: 'success' | 'failure',
  detail?: string,
): void {
  const { client_id } = client
  const { address } = call
  context.audit({
    type: 'code.redeem',
    outcome,
    client_id,
    grantId,
    address,
    ...(detail && { detail }),
  })
}
