/** Token revocation (RFC 7009). */

import { authenticateClient } from '../clients/client-auth.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import { verifyAccessToken } from '../tokens/access-token.js'
import { refreshTokenDigest } from '../tokens/stamped-token.js'

/** What revoking a token takes back. */
type Target =
  | {
      readonly kind: 'grant'
      readonly client_id: string
      readonly sub: string
      readonly grantId: string
    }
  | {
      readonly kind: 'accessToken'
      readonly client_id: string
      readonly sub: string
      readonly jti: string
      readonly expiresAt: number
    }

/** The status says it all, but some clients insist on JSON. */
const DONE: Answer = { status: 200, body: {} }

/** 200 for a token that is not (any more) ours: the client has what it wanted (RFC 7009 section 2.2). */
export async function revoke(context: Context, call: Call): Promise<Answer> {
  const form = call.parameters
  form.rejectRepeated()
  const client = await authenticateClient(context, call)
  const target = await findTarget(context, form.required('token'))
  if (target === undefined) return DONE
  const { client_id } = client
  const { address } = call
  if (target.client_id !== client_id) {
    const { sub } = target
    const detail = 'the token of another client was shown'
    context.audit({ type: 'token.revoke', outcome: 'failure', sub, client_id, address, detail })
    throw new OAuthError('invalid_grant', 'the token was issued to another client')
  }
  switch (target.kind) {
    case 'grant': {
      // The whole family: access tokens of a revoked refresh token die with it (RFC 7009 section 2.1).
      const { grantId, sub } = target
      await context.store.revokeGrant(grantId, context.now())
      const whose = { sub, client_id, grantId, address }
      context.audit({ type: 'grant.revoke', outcome: 'success', ...whose })
      break
    }
    case 'accessToken': {
      await context.store.revokeAccessToken(target.jti, target.expiresAt)
      const { sub } = target
      context.audit({ type: 'token.revoke', outcome: 'success', sub, client_id, address })
      break
    }
  }
  return DONE
}

async function findTarget(context: Context, token: string): Promise<Target | undefined> {
  const found = await context.store.refreshToken(refreshTokenDigest(token))
  if (found !== undefined) {
    const { client_id, grantId, sub } = found.grant
    return { kind: 'grant', client_id, sub, grantId }
  }
  const claims = await verifyAccessToken(context, token)
  if (claims === undefined) return undefined
  const { client_id, sub, jti, exp } = claims
  return { kind: 'accessToken', client_id, sub, jti, expiresAt: exp * 1000 }
}
