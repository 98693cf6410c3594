/** The token endpoint (RFC 6749 section 3.2). */

import { authenticateClient } from '../clients/client-auth.js'
import { isUnused, mustProveKey } from '../clients/client-policy.js'
import { currentNonce, provenKey } from '../clients/dpop.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { authorizationCode } from '../grants/authorization-code.js'
import { clientCredentials } from '../grants/client-credentials.js'
import { deviceCode } from '../grants/device-code.js'
import { refreshToken } from '../grants/refresh-token.js'
import type { GrantHandler } from '../grants/request.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import type { Client, GrantType } from '../types.js'

const GRANTS: Readonly<Record<GrantType, GrantHandler>> = {
  authorization_code: authorizationCode, // RFC 6749 section 4.1.3
  refresh_token: refreshToken, //           RFC 6749 section 6
  client_credentials: clientCredentials, // RFC 6749 section 4.4
  'urn:ietf:params:oauth:grant-type:device_code': deviceCode, // RFC 8628 section 3.4
}

export async function token(context: Context, call: Call): Promise<Answer> {
  const form = call.parameters
  form.rejectRepeated()
  const grant_type = supportedGrantType(form.required('grant_type'))
  const client = await authenticateClient(context, call)
  if (!client.grant_types.includes(grant_type)) {
    throw new OAuthError('unauthorized_client', `this client may not use the grant ${grant_type}`)
  }
  // Nothing is waited for where nothing is shown.
  const isProven = call.headers.dpop.length > 0 || mustProveKey(client)
  const jkt = isProven ? await proof(context, call, client) : undefined
  const answer = await GRANTS[grant_type](context, { call, client, jkt })
  if (isUnused(client)) await context.store.noteClientUse(client.client_id, context.now())
  // The next nonce comes before it is needed (RFC 9449 section 8.2).
  return jkt === undefined
    ? answer
    : { ...answer, headers: { 'DPoP-Nonce': currentNonce(context) } }
}

function supportedGrantType(grant_type: string): GrantType {
  if (Object.hasOwn(GRANTS, grant_type)) return grant_type as GrantType
  throw new OAuthError('unsupported_grant_type', 'this grant_type is not supported')
}

async function proof(context: Context, call: Call, client: Client): Promise<string | undefined> {
  const jkt = await provenKey(context, call, client)
  if (jkt !== undefined || !mustProveKey(client)) return jkt
  throw new OAuthError('invalid_dpop_proof', 'this client must send a DPoP proof')
}
