/** Pushed authorization requests (RFC 9126). */

import { authenticateClient } from '../clients/client-auth.js'
import { currentNonce, provenKey } from '../clients/dpop.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import { carried } from '../http/carried.js'
import { Parameters } from '../http/parameters.js'
import { digestOf, randomSecret } from '../secrets.js'
import type { Client, PushedUse } from '../types.js'
import { admitUnfinished } from './admission.js'
import { authorizationRequest, MEANT, trustedRedirect } from './authorization-request.js'

const URI_PREFIX = 'urn:ietf:params:oauth:request_uri:'

export async function push(context: Context, call: Call): Promise<Answer> {
  const form = call.parameters
  form.rejectRepeated()
  const client = await authenticateClient(context, call)
  if (form.optional('request_uri') !== undefined) {
    throw new OAuthError('invalid_request', 'a request_uri cannot be pushed (RFC 9126 section 2.1)')
  }
  const jkt = await pushedKey(context, call, client)
  // Credentials are for this request alone: they mean nothing in what is asked, so they are not carried.
  const pairs = form.pairs.filter(([name]) => name !== 'client_id')
  const request = carried(new Parameters([...pairs, ['client_id', client.client_id]]), MEANT)
  const trusted = await trustedRedirect(context, request)
  await authorizationRequest(context, request, trusted, { pushed: true })

  await admitUnfinished(context, client, call)
  const request_uri = URI_PREFIX + randomSecret()
  const expires_in = context.lifetimes.pushedRequest
  await context.store.savePushedRequest({
    uriDigest: digestOf(request_uri),
    client_id: client.client_id,
    parameters: JSON.stringify(request.pairs),
    ...(jkt !== undefined && { dpop_jkt: jkt }),
    expiresAt: context.now() + expires_in * 1000,
  })
  return {
    status: 201,
    body: { request_uri, expires_in },
    ...(jkt !== undefined && { headers: { 'DPoP-Nonce': currentNonce(context) } }),
  }
}

/** A proof and dpop_jkt both bind the code; they must name the same key (RFC 9449 section 10.1). */
async function pushedKey(
  context: Context,
  call: Call,
  client: Client,
): Promise<string | undefined> {
  const jkt = await provenKey(context, call, client)
  const dpop_jkt = call.parameters.optional('dpop_jkt')
  if (jkt === undefined || dpop_jkt === undefined || jkt === dpop_jkt) return jkt ?? dpop_jkt
  throw new OAuthError('invalid_dpop_proof', 'the dpop_jkt is not that of the DPoP proof')
}

/** What the parameters of an authorization request say, and how they came. */
export interface Effective {
  readonly query: Parameters
  readonly pushed: PushedUse | undefined
}

/** Pushed parameters replace all others: nothing from the browser can change them (RFC 9101 section 6.3). */
export async function effectiveParameters(context: Context, query: Parameters): Promise<Effective> {
  const [request_uri, ...others] = query.all('request_uri')
  if (others.length > 0 || !request_uri?.startsWith(URI_PREFIX)) return { query, pushed: undefined }
  const client_id = query.required('client_id')
  const digest = digestOf(request_uri)
  const pushed = await context.store.pushedRequest(digest, context.now())
  if (pushed === undefined || pushed.client_id !== client_id) {
    throw new OAuthError(
      'invalid_request_uri',
      'the request_uri is unknown, used or expired: start again from the application',
    )
  }
  const pairs: [string, string][] = JSON.parse(pushed.parameters)
  const withoutKey = pairs.filter(([name]) => name !== 'dpop_jkt')
  const jkt = pushed.dpop_jkt
  return {
    query: new Parameters(jkt === undefined ? pairs : [...withoutKey, ['dpop_jkt', jkt]]),
    // Who came just in time has so long to log in and decide.
    pushed: {
      uriDigest: digest,
      until: pushed.expiresAt + context.lifetimes.interaction * 1000,
    },
  }
}
