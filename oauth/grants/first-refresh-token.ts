import { type Context, isPublic } from '../context.js'
import type { Redemption } from '../store.js'
import { newRefreshToken, refreshTokenDigest } from '../tokens/stamped-token.js'
import type { GrantRequest } from './request.js'

export interface FirstRefreshToken {
  readonly refresh_token: string | undefined
  readonly redemption: Redemption
}

/** A client that is registered for refresh tokens gets one with its first access token. */
export function firstRefreshToken(
  context: Context,
  { call, client, jkt }: GrantRequest,
): FirstRefreshToken {
  const at = context.now()
  const { address } = call
  if (!client.grant_types.includes('refresh_token')) {
    const endsAt = at + context.lifetimes.accessToken * 1000
    return {
      refresh_token: undefined,
      redemption: { at, address, refreshToken: undefined, endsAt },
    }
  }
  const refresh_token = newRefreshToken(at)
  const expiresAt = at + context.lifetimes.refreshToken * 1000
  const refreshToken = {
    tokenDigest: refreshTokenDigest(refresh_token),
    expiresAt,
    // Only a public client's: a confidential one authenticates anyway (RFC 9449 section 5).
    ...(isPublic(client) && jkt !== undefined && { dpop_jkt: jkt }),
  }
  return { refresh_token, redemption: { at, address, refreshToken, endsAt: expiresAt } }
}
