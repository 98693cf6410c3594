/** The authorization response (RFC 6749 section 4.1.2). */

import { withParameters } from '../clients/redirect-uri.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { digestOf, randomSecret } from '../secrets.js'
import type { AuthorizationCode, BrowserSession } from '../types.js'
import type { AuthorizationRequest } from './authorization-request.js'
import { newGrant } from './new-grant.js'
import type { Pending } from './pending.js'

/** Writes the grant and its code; where the browser takes it. */
export async function issueCode(
  context: Context,
  { trusted, resource, code_challenge, nonce, dpop_jkt, deviceName }: AuthorizationRequest,
  { pushed }: Pending,
  session: BrowserSession,
  allowedScope: readonly string[],
): Promise<string> {
  const { client, redirect_uri, redirect_uri_sent, state } = trusted
  const { client_id } = client
  const { sub, address } = session
  const scope = allowedScope.join(' ')
  const code = randomSecret()
  const grant = newGrant(context, session, {
    client_id,
    scope,
    resource,
    lastUsedFrom: address,
    ...(nonce !== undefined && { nonce }),
    ...(deviceName !== undefined && { deviceName }),
  })
  const { grantId, createdAt } = grant
  const record: AuthorizationCode = {
    codeDigest: digestOf(code),
    grantId,
    client_id,
    redirect_uri,
    redirect_uri_sent,
    code_challenge,
    ...(dpop_jkt !== undefined && { dpop_jkt }),
    expiresAt: createdAt + context.lifetimes.authorizationCode * 1000,
  }
  if ((await context.store.issueCode(grant, record, pushed)) === 'spent') {
    throw new OAuthError('invalid_request_uri', 'the pushed request was used before')
  }
  const event = { sub, client_id, grantId, address, detail: scope }
  context.audit({ type: 'consent', outcome: 'success', ...event })
  return withParameters(redirect_uri, { code, state, iss: context.issuer })
}
