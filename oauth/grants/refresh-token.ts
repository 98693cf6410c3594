/** Refreshing an access token (RFC 6749 section 6), with rotation and reuse detection (RFC 9700 section 4.14). */

import { rotatesRefreshTokens } from '../clients/client-policy.js'
import { type Context, isPublic } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Rotation, StoredRefreshToken } from '../store.js'
import { liveAccount } from '../tokens/live-account.js'
import { narrowedResources } from '../tokens/resource.js'
import { scopeWithin } from '../tokens/scope.js'
import { formerSuccessorsOf, refreshTokenDigest, successorOf } from '../tokens/stamped-token.js'
import type { Grant, Milliseconds, RefreshToken } from '../types.js'
import type { GrantHandler, GrantRequest } from './request.js'
import { userTokens } from './token-response.js'

export const refreshToken: GrantHandler = async (context, request) => {
  const { call, client, jkt } = request
  const form = call.parameters
  const token = form.required('refresh_token')
  const found = await context.store.refreshable(refreshTokenDigest(token))
  if (found === undefined) throw deadToken()
  const { token: stored, grant } = found
  if (stored.client_id !== client.client_id) {
    audit(
      context,
      request,
      grant,
      'refresh.refuse',
      'the refresh token of another client was shown',
    )
    throw deadToken()
  }
  if (stored.dpop_jkt !== undefined && stored.dpop_jkt !== jkt) {
    throw wrongKey(context, request, grant)
  }
  // Checked before anything is spent: a refused request leaves the token as it was.
  const asked = form.optional('scope')
  const scope = asked === undefined ? grant.scope : scopeWithin(asked, grant.scope).join(' ')
  const resource = narrowedResources(form, grant.resource)
  if ((await liveAccount(context, grant)) === undefined) throw deadToken()

  const refresh_token = rotatesRefreshTokens(client)
    ? await rotated(context, request, token, found)
    : await renewed(context, request, token)
  return userTokens(context, {
    client,
    grant,
    scope,
    resource,
    jkt,
    refresh_token,
    nonce: undefined,
  })
}

/** The refresh token to go on with. */
async function rotated(
  context: Context,
  request: GrantRequest,
  token: string,
  { token: stored, grant }: StoredRefreshToken,
): Promise<string> {
  const at = context.now()
  const refresh_token = successorOf(token, at, context.derived.successor)
  const plan = rotation(context, request, { at, token, refresh_token, stored })
  const outcome = await context.store.rotate(stored, plan)
  switch (outcome.kind) {
    case 'dead':
      throw deadToken()
    case 'refused':
      throw wrongKey(context, request, grant)
    case 'reused':
      throw reused(context, request, grant)
    case 'replaced':
      replaced(context, request, grant)
      return refresh_token
    case 'rotated':
      return refresh_token
    case 'repeated':
      return await standing(context, token, outcome.spentAt)
  }
}

/** The successor that a token was given when it was spent. */
async function standing(context: Context, token: string, spentAt: Milliseconds): Promise<string> {
  const key = context.derived.successor
  // An earlier version may have spent it.
  for (const former of formerSuccessorsOf(token, spentAt, key)) {
    const stands = await context.store.refreshToken(refreshTokenDigest(former))
    if (stands !== undefined) return former
  }
  return successorOf(token, spentAt, key)
}

async function renewed(context: Context, { call }: GrantRequest, token: string): Promise<string> {
  const at = context.now()
  const endsAt = at + context.lifetimes.refreshToken * 1000
  const digest = refreshTokenDigest(token)
  const outcome = await context.store.renew(digest, { at, address: call.address, endsAt })
  if (outcome.kind === 'dead') throw deadToken()
  return token
}

interface Successor {
  readonly at: Milliseconds
  readonly refresh_token: string
  /** What it follows. */
  readonly token: string
  readonly stored: RefreshToken
}

function rotation(
  context: Context,
  { call, client, jkt }: GrantRequest,
  { at, token, refresh_token, stored }: Successor,
): Rotation {
  // A public client's token stays bound to its key; one that starts to prove a key is bound from here on.
  const dpop_jkt = isPublic(client) ? (stored.dpop_jkt ?? jkt) : undefined
  return {
    at,
    address: call.address,
    presentedKey: jkt,
    graceMilliseconds: context.lifetimes.refreshGrace * 1000,
    successorAt: (spentAt) =>
      refreshTokenDigest(successorOf(token, spentAt, context.derived.successor)),
    successor: {
      tokenDigest: refreshTokenDigest(refresh_token),
      expiresAt: at + context.lifetimes.refreshToken * 1000,
      ...(dpop_jkt !== undefined && { dpop_jkt }),
    },
  }
}

function deadToken(): OAuthError {
  return new OAuthError(
    'invalid_grant',
    'the refresh token is unknown, expired, revoked or for another client; log in again',
  )
}

/** Perhaps a thief's: the token alone is of no use, and its owner's stays as it was. */
function wrongKey(context: Context, request: GrantRequest, grant: Grant): OAuthError {
  const detail = 'the refresh token is bound to another DPoP key'
  audit(context, request, grant, 'refresh.refuse', detail)
  return new OAuthError('invalid_grant', detail)
}

function replaced(context: Context, request: GrantRequest, grant: Grant): void {
  const detail = 'a refresh token came again, whose successor nobody had used: that is void'
  audit(context, request, grant, 'refresh.again', detail)
}

function reused(context: Context, request: GrantRequest, grant: Grant): OAuthError {
  const detail = 'a refresh token was used again after it was replaced; the grant is revoked'
  audit(context, request, grant, 'refresh.reuse', detail)
  return new OAuthError(
    'invalid_grant',
    'the refresh token was used again after it had been replaced, perhaps by a thief: everything issued with it is revoked; log in again',
  )
}

function audit(
  context: Context,
  { call, client }: GrantRequest,
  { sub, grantId }: Grant,
  type: 'refresh.again' | 'refresh.refuse' | 'refresh.reuse',
  detail: string,
): void {
  const { client_id } = client
  const { address } = call
  const outcome = type === 'refresh.again' ? 'success' : 'failure'
  context.audit({ type, outcome, sub, client_id, grantId, address, detail })
}
