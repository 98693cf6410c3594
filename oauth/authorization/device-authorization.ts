/** The device authorization endpoint (RFC 8628 section 3.1). */

import { authenticateClient } from '../clients/client-auth.js'
import { currentNonce, provenKey } from '../clients/dpop.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import { digestOf, randomSecret } from '../secrets.js'
import { requestedResources } from '../tokens/resource.js'
import { scopeWithin } from '../tokens/scope.js'
import type { DeviceAuthorization } from '../types.js'
import { admitUnfinished } from './admission.js'
import { deviceName } from './device-name.js'
import { drawUserCode, formatUserCode } from './user-code.js'

/** Seconds between two polls at first (RFC 8628 section 3.2). */
const POLL_INTERVAL_SECONDS = 5

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

const DRAWS_MAX = 10

export async function authorizeDevice(context: Context, call: Call): Promise<Answer> {
  const form = call.parameters
  form.rejectRepeated()
  const client = await authenticateClient(context, call)
  if (!client.grant_types.includes(DEVICE_GRANT)) {
    throw new OAuthError('unauthorized_client', 'this client may not use the device grant')
  }
  const scope = form.optional('scope')
  if (scope === undefined)
    throw new OAuthError('invalid_scope', 'the scope is missing: name what is needed')
  const asked = {
    scope: scopeWithin(scope, client.scope).join(' '),
    resource: requestedResources(context, form),
    name: deviceName(form),
  }
  const jkt = await provenKey(context, call, client)
  await admitUnfinished(context, client, call)
  const device_code = randomSecret()
  const expires_in = context.lifetimes.deviceCode
  const createdAt = context.now()
  const user_code = await saveWithUserCode(context, {
    scope: asked.scope,
    resource: asked.resource,
    ...(asked.name !== undefined && { deviceName: asked.name }),
    deviceDigest: digestOf(device_code),
    client_id: client.client_id,
    ...(jkt !== undefined && { dpop_jkt: jkt }),
    address: call.address,
    interval: POLL_INTERVAL_SECONDS * 1000,
    createdAt,
    expiresAt: createdAt + expires_in * 1000,
  })
  const verification_uri = `${context.issuer}/device`
  return {
    status: 200,
    ...(jkt !== undefined && { headers: { 'DPoP-Nonce': currentNonce(context) } }),
    body: {
      device_code,
      user_code,
      verification_uri,
      verification_uri_complete: `${verification_uri}?${new URLSearchParams({ user_code })}`,
      expires_in,
      interval: POLL_INTERVAL_SECONDS,
    },
  }
}

/** User codes are short, so two may be the same: draws until one is free. */
async function saveWithUserCode(
  context: Context,
  device: Omit<DeviceAuthorization, 'userCodeDigest'>,
): Promise<string> {
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    const letters = drawUserCode()
    const saved = await context.store.saveDevice({ ...device, userCodeDigest: digestOf(letters) })
    if (saved) return formatUserCode(letters)
  }
  throw new OAuthError('temporarily_unavailable', 'no user code is free; try again later')
}
