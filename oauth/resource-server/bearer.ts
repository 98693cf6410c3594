/** How a request shows its access token (RFC 6750 section 2.1, RFC 9449 section 7.1), and how it is refused. */

import { currentNonce } from '../clients/dpop.js'
import type { Context } from '../context.js'
import { OAuthError, type OAuthErrorCode } from '../errors.js'
import type { Call } from '../http/call.js'
import { FOREIGN_ALGORITHMS } from '../jose/foreign-jwt.js'
import { metadataUrl } from './protected-resource.js'

export type Scheme = 'Bearer' | 'DPoP'

export interface PresentedToken {
  readonly kind: 'token'
  readonly scheme: Scheme
  readonly token: string
}
export type Presented = { readonly kind: 'nothing' } | PresentedToken

/** b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 section 2.1) */
const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*)$/i

/** auth-scheme of RFC 9110 section 11.1, of those that carry access tokens */
const SCHEME = /^(bearer|dpop)(?: |$)/i

/** The Authorization field, or the form of a POST (RFC 6750 section 2.2); a token in the query is not looked at (OAuth 2.1 section 5.1). */
export function presentedToken(context: Context, call: Call): Presented {
  const fields = call.headers.authorization
  const inBody = call.method === 'POST' ? call.parameters.optional('access_token') : undefined
  if (fields.length > 1 || (fields.length === 1 && inBody !== undefined)) {
    throw refusal(context, 'invalid_request', 'the access token must be sent once, by one method')
  }
  const [field] = fields
  if (field === undefined) {
    if (inBody === undefined) return { kind: 'nothing' }
    return { kind: 'token', scheme: 'Bearer', token: inBody }
  }
  // An unsupported method is answered like none: without an error code (RFC 6750 section 3.1).
  if (!SCHEME.test(field)) return { kind: 'nothing' }
  const [, scheme, token] = CREDENTIALS.exec(field) ?? []
  if (scheme === undefined || token === undefined) {
    throw refusal(
      context,
      'invalid_token',
      'the Authorization field must be "Bearer" or "DPoP", a space and a token',
    )
  }
  return { kind: 'token', scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer', token }
}

/** A refusal with its challenges; `scope` is what the resource needs (RFC 6750 section 3). */
export function refusal(
  context: Context,
  error: OAuthErrorCode,
  description: string,
  scope?: string,
): OAuthError {
  const params = { error, error_description: description, scope }
  return new OAuthError(error, description, {
    status: REFUSAL_STATUS[error] ?? 400,
    headers: challenges(context, params, error === 'use_dpop_nonce'),
  })
}

/** Without credentials the challenge says where to get some, and no error (RFC 6750 section 3.1). */
export function unauthenticated(context: Context, scope?: string): OAuthError {
  return new OAuthError('invalid_token', 'an access token is needed; log in first', {
    headers: challenges(context, { scope }, false),
  })
}

/** At a resource server a bad proof is a 401 (RFC 9449 section 7.1). */
const REFUSAL_STATUS: Partial<Record<OAuthErrorCode, number>> = {
  invalid_token: 401,
  insufficient_scope: 403,
  invalid_dpop_proof: 401,
  use_dpop_nonce: 401,
}

/** Errors that only the DPoP scheme knows. */
const DPOP_ERRORS: ReadonlySet<string | undefined> = new Set([
  'invalid_dpop_proof',
  'use_dpop_nonce',
])

interface ChallengeParameters {
  readonly error?: OAuthErrorCode
  readonly error_description?: string
  readonly scope?: string | undefined
}

/** Both schemes are offered (RFC 9449 section 7.2), each with the way to the metadata (RFC 9728 section 5.1). */
function challenges(context: Context, params: ChallengeParameters, nonce: boolean) {
  const { error, error_description, scope } = params
  const common = { scope, resource_metadata: metadataUrl(context, context.resource) }
  const reason = { error, error_description }
  const dpop = { ...reason, ...common, algs: FOREIGN_ALGORITHMS.join(' ') }
  const isOfDpop = DPOP_ERRORS.has(error)
  const bearer = { realm: 'coffer', ...(isOfDpop ? {} : reason), ...common }
  // Some clients look at the first one alone (openid-client before version 6).
  const offered = [challenge('Bearer', bearer), challenge('DPoP', dpop)]
  return {
    'WWW-Authenticate': isOfDpop ? offered.reverse() : offered,
    ...(nonce && { 'DPoP-Nonce': currentNonce(context) }),
  }
}

/** auth-param = token "=" quoted-string (RFC 9110 section 11.2); values here need no escaping. */
function challenge(scheme: Scheme, params: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(params)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${value?.replace(/["\\]/g, "'")}"`)
  return `${scheme} ${pairs.join(', ')}`
}
