/** Token introspection (RFC 7662). */

import { authenticateClient } from '../clients/client-auth.js'
import { type Context, isPublic } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import type { VerifiedTokens } from '../tokens/verified-tokens.js'
import { tokenStatus } from './token-status.js'

/** Says nothing about why: expired, revoked, made up and somebody else's look the same (RFC 7662 section 2.2). */
const INACTIVE: Answer = { status: 200, body: { active: false } }

export async function introspect(
  context: Context,
  tokens: VerifiedTokens,
  call: Call,
): Promise<Answer> {
  const form = call.parameters
  form.rejectRepeated()
  const client = await authenticateClient(context, call)
  if (isPublic(client)) {
    throw new OAuthError(
      'invalid_client',
      'only a client that authenticates may introspect tokens',
      {
        headers: { 'WWW-Authenticate': 'Basic realm="coffer", charset="UTF-8"' },
      },
    )
  }
  const status = await tokenStatus(context, tokens, form.required('token'))
  if (status.kind === 'inactive') return INACTIVE
  if (status.client_id !== client.client_id && !client.introspects) return INACTIVE
  return { status: 200, body: status.json }
}
