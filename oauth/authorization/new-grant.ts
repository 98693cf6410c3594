import type { Context } from '../context.js'
import { randomId } from '../secrets.js'
import type { BrowserSession, Grant } from '../types.js'

/** What a user in `session` has just allowed. */
export function newGrant(
  context: Context,
  { sub, sid, authTime }: BrowserSession,
  allowed: Pick<
    Grant,
    'client_id' | 'scope' | 'resource' | 'lastUsedFrom' | 'nonce' | 'deviceName'
  >,
): Grant {
  const createdAt = context.now()
  return {
    ...allowed,
    grantId: randomId(),
    sub,
    sid,
    authTime,
    createdAt,
    expiresAt: createdAt + context.lifetimes.grant * 1000,
    lastUsedAt: createdAt,
  }
}
