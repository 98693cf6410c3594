/** The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1): who may be answered, and what. */
import { mustPush, mustSendRedirect } from '../clients/client-policy.js'
import {
  onlyUri,
  type RegisteredUri,
  registeredUri,
  withParameters,
} from '../clients/redirect-uri.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Parameters } from '../http/parameters.js'
import { isCodeChallenge } from '../pkce.js'
import { type IdTokenClaims, verifyIdTokenHint } from '../tokens/id-token.js'
import { requestedResources } from '../tokens/resource.js'
import { scopeWithin } from '../tokens/scope.js'
import type { Client } from '../types.js'
import { deviceName } from './device-name.js'

/** Where an answer may be sent; until there is one, errors stay on a page of ours (RFC 6749 section 4.1.2.1). */
export interface Trusted {
  readonly client: Client
  readonly redirect_uri: RegisteredUri
  readonly redirect_uri_sent: boolean
  readonly state: string | undefined
}

/** OpenID Connect Core section 3.1.2.1 */
export const PROMPTS = ['none', 'login', 'consent', 'select_account'] as const
export type Prompt = (typeof PROMPTS)[number]

/** A request that may be granted. Only `authorizationRequest` makes one. */
export interface AuthorizationRequest {
  readonly trusted: Trusted
  readonly scope: readonly string[]
  readonly resource: readonly string[]
  readonly code_challenge: string
  readonly nonce: string | undefined
  readonly prompt: ReadonlySet<Prompt>
  readonly max_age: number | undefined
  readonly login_hint: string | undefined
  readonly hint: IdTokenClaims | undefined
  readonly dpop_jkt: string | undefined
  readonly deviceName: string | undefined
}

/** Parameters that mean something here, if only that they are not supported. */
export const MEANT: ReadonlySet<string> = new Set([
  ...['client_id', 'redirect_uri', 'response_type', 'response_mode', 'scope', 'resource', 'state'],
  ...['nonce', 'prompt', 'max_age', 'login_hint', 'id_token_hint', 'device_name', 'dpop_jkt'],
  ...['code_challenge', 'code_challenge_method', 'request', 'request_uri', 'registration'],
])

/** Throws what belongs on an error page. */
export async function trustedRedirect(context: Context, query: Parameters): Promise<Trusted> {
  const client_id = query.required('client_id')
  const asked = query.optional('redirect_uri')
  const client = await context.store.client(client_id)
  if (client === undefined) {
    throw new OAuthError('invalid_request', 'the application is not registered here (client_id)')
  }
  const redirect_uri =
    asked === undefined ? onlyUri(client.redirect_uris) : registeredUri(asked, client.redirect_uris)
  if (redirect_uri === undefined) {
    const wrong = asked === undefined ? 'is missing' : 'is not registered for this application'
    throw new OAuthError('invalid_request', `the redirect_uri ${wrong}`)
  }
  // A repeated state means none: nobody can tell which one the client would compare.
  const [state, ...others] = query.all('state')
  return {
    client,
    redirect_uri,
    redirect_uri_sent: asked !== undefined,
    state: others.length === 0 ? state : undefined,
  }
}

/** One check each; throws what is redirected. */
type Check = (query: Parameters, trusted: Trusted, from: RequestOrigin) => void

/** How the parameters came. */
export interface RequestOrigin {
  readonly pushed: boolean
}

const nothingIsRepeated: Check = (query) => query.rejectRepeated()

const noRequestObject: Check = (query) => {
  if (query.optional('request') !== undefined) {
    throw new OAuthError('request_not_supported', 'request objects are not supported')
  }
  if (query.optional('request_uri') !== undefined) {
    throw new OAuthError(
      'request_uri_not_supported',
      'only a request_uri of our PAR endpoint works',
    )
  }
  if (query.optional('registration') !== undefined) {
    throw new OAuthError(
      'registration_not_supported',
      'the registration parameter is not supported',
    )
  }
}

const isPushedIfItMust: Check = (_, { client }, { pushed }) => {
  if (pushed || !mustPush(client)) return
  throw new OAuthError('invalid_request', 'this client must push its authorization requests (PAR)')
}

const redirectIsSentIfItMust: Check = (_, { client, redirect_uri_sent }) => {
  if (redirect_uri_sent || !mustSendRedirect(client)) return
  throw new OAuthError('invalid_request', 'this client must send the redirect_uri')
}

const responseTypeIsCode: Check = (query) => {
  if (query.required('response_type') === 'code') return
  throw new OAuthError('unsupported_response_type', 'the only response_type is code')
}

const clientMayUseCodes: Check = (_, { client }) => {
  if (client.grant_types.includes('authorization_code')) return
  throw new OAuthError(
    'unauthorized_client',
    'this client may not use the authorization code grant',
  )
}

const responseModeIsQuery: Check = (query) => {
  if ((query.optional('response_mode') ?? 'query') === 'query') return
  throw new OAuthError('invalid_request', 'the only response_mode is query')
}

/** The method must be named: absent means plain (RFC 7636 section 4.3), which protects nobody. */
const challengeIsS256: Check = (query) => {
  const code_challenge = query.required('code_challenge')
  if (query.optional('code_challenge_method') !== 'S256') {
    throw new OAuthError('invalid_request', 'the code_challenge_method must be S256')
  }
  if (!isCodeChallenge(code_challenge)) {
    throw new OAuthError('invalid_request', 'the code_challenge must be 43 characters of base64url')
  }
}

/** RFC 9126 would lift it for pushed requests, but nobody needs a longer one. */
const BOUNDS = { state: 4096, nonce: 1024, login_hint: 256, dpop_jkt: 43 } as const

const valuesAreBounded: Check = (query) => {
  for (const [name, max] of Object.entries(BOUNDS)) {
    if ((query.optional(name)?.length ?? 0) > max) {
      throw new OAuthError('invalid_request', `the ${name} is longer than ${max} characters`)
    }
  }
}

const CHECKS: readonly Check[] = [
  nothingIsRepeated, //   RFC 6749 section 3.1
  noRequestObject, //     OpenID Connect Core section 3.1.2.6
  isPushedIfItMust, //    RFC 9126 section 6
  redirectIsSentIfItMust,
  responseTypeIsCode, //  RFC 6749 section 4.1.1
  clientMayUseCodes, //   RFC 6749 section 4.1.2.1
  responseModeIsQuery, // OAuth 2.0 Multiple Response Types section 2.1
  challengeIsS256, //     RFC 7636 section 4.4.1
  valuesAreBounded,
]

/** Throws what is redirected: there is a trusted place to redirect to. */
export async function authorizationRequest(
  context: Context,
  query: Parameters,
  trusted: Trusted,
  origin: RequestOrigin,
): Promise<AuthorizationRequest> {
  for (const check of CHECKS) check(query, trusted, origin)
  return {
    trusted,
    scope: scopeWithin(requiredScope(query), trusted.client.scope),
    resource: requestedResources(context, query),
    code_challenge: query.required('code_challenge'),
    nonce: query.optional('nonce'),
    prompt: prompts(query),
    max_age: maxAge(query),
    login_hint: query.optional('login_hint'),
    hint: await idTokenHint(context, query),
    dpop_jkt: query.optional('dpop_jkt'),
    deviceName: deviceName(query),
  }
}

/** No default scope: what is granted should be what somebody asked for (RFC 6749 section 3.3). */
function requiredScope(query: Parameters): string {
  const scope = query.optional('scope')
  if (scope !== undefined) return scope
  throw new OAuthError('invalid_scope', 'the scope is missing: name what is needed')
}

function prompts(query: Parameters): ReadonlySet<Prompt> {
  const asked = query.list('prompt')
  const known = PROMPTS.filter((prompt) => asked.includes(prompt))
  if (known.length < new Set(asked).size) {
    throw new OAuthError('invalid_request', 'a value of prompt is not supported')
  }
  if (known.includes('none') && known.length > 1) {
    throw new OAuthError('invalid_request', 'the prompt none stands alone')
  }
  return new Set(known)
}

function maxAge(query: Parameters): number | undefined {
  const max_age = query.optional('max_age')
  if (max_age === undefined) return undefined
  if (/^\d{1,9}$/.test(max_age)) return Number(max_age)
  throw new OAuthError('invalid_request', 'the max_age must be a number of seconds')
}

async function idTokenHint(
  context: Context,
  query: Parameters,
): Promise<IdTokenClaims | undefined> {
  const id_token_hint = query.optional('id_token_hint')
  if (id_token_hint === undefined) return undefined
  const hint = await verifyIdTokenHint(context, id_token_hint)
  switch (hint.kind) {
    case 'proven':
      return hint.claims
    case 'unprovable':
      // Keys outlive sessions: whoever it names is signed in no longer (OpenID Connect Core section 3.1.2.1).
      if (asksForSilence(query)) throw new OAuthError('login_required', 'the user must log in')
      throw new OAuthError('invalid_request', 'the id_token_hint is too old: ask without it')
    case 'foreign':
      throw new OAuthError('invalid_request', 'the id_token_hint is not an ID token of this server')
  }
}

/** An error for the client (RFC 6749 section 4.1.2.1), with the issuer (RFC 9207 section 2). */
export function redirectError(context: Context, trusted: Trusted, error: OAuthError): string {
  return withParameters(trusted.redirect_uri, {
    ...error.body,
    state: trusted.state,
    iss: context.issuer,
  })
}

/** Whether the client asks that no page be shown; readable even when the rest of the request is wrong. */
export function asksForSilence(query: Parameters): boolean {
  return query.all('prompt').some((prompt) => prompt.split(' ').includes('none'))
}
