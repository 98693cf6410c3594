/** The device grant (RFC 8628 sections 3.4 and 3.5). */

import { OAuthError, type OAuthErrorCode } from '../errors.js'
import { digestOf } from '../secrets.js'
import { liveAccount } from '../tokens/live-account.js'
import { narrowedResources } from '../tokens/resource.js'
import { firstRefreshToken } from './first-refresh-token.js'
import type { GrantHandler } from './request.js'
import { userTokens } from './token-response.js'

/** What a poll that brings no tokens is told. */
const PROBLEMS = {
  pending: ['authorization_pending', 'the user has not decided yet; keep asking'],
  slow_down: ['slow_down', 'asked too soon; wait five seconds longer from now on'],
  denied: ['access_denied', 'the user denied the request'],
  expired: ['expired_token', 'the device code has expired; start again'],
  dead: ['invalid_grant', 'the device code is unknown, used or for another client'],
} as const satisfies Record<string, readonly [OAuthErrorCode, string]>

function problem(kind: keyof typeof PROBLEMS): OAuthError {
  const [error, description] = PROBLEMS[kind]
  return new OAuthError(error, description)
}

export const deviceCode: GrantHandler = async (context, request) => {
  const { call, client, jkt } = request
  const digest = digestOf(call.parameters.required('device_code'))
  const device = await context.store.device(digest)
  if (device === undefined) throw problem('dead')
  const { client_id } = client
  const { address } = call
  const type = 'device.redeem'
  const refused = (detail: string) =>
    context.audit({ type, outcome: 'failure', client_id, address, detail })
  if (device.client_id !== client_id) {
    refused('the device code of another client was shown')
    throw problem('dead')
  }
  const resource = narrowedResources(call.parameters, device.resource)
  if (device.dpop_jkt !== undefined && device.dpop_jkt !== jkt) {
    refused('the device code is bound to another DPoP key')
    throw new OAuthError('invalid_grant', 'the device code is bound to another DPoP key')
  }
  const { refresh_token, redemption } = firstRefreshToken(context, request)
  const outcome = await context.store.pollDevice(digest, redemption)
  if (outcome.kind !== 'redeemed') throw problem(outcome.kind)
  const { grant } = outcome
  if ((await liveAccount(context, grant)) === undefined) throw problem('dead')
  const { sub, grantId } = grant
  context.audit({ type, outcome: 'success', sub, client_id, grantId, address })
  return userTokens(context, {
    client,
    grant,
    scope: grant.scope,
    resource,
    jkt,
    refresh_token,
    nonce: undefined,
  })
}
