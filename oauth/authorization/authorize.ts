/** The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2). */

import { destination, formActionSource, isLoopback } from '../clients/redirect-uri.js'
import { shownClient } from '../clients/shown-client.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { carried } from '../http/carried.js'
import type { Parameters } from '../http/parameters.js'
import type { ConsentPage } from '../shown-pages.js'
import { covers } from '../tokens/scope.js'
import type { BrowserSession, Client } from '../types.js'
import {
  type AuthorizationRequest,
  asksForSilence,
  authorizationRequest,
  MEANT,
  redirectError,
  type Trusted,
  trustedRedirect,
} from './authorization-request.js'
import { issueCode } from './issue-code.js'
import { type Pending, sealConsent, sealPending, unsealConsent, unsealPending } from './pending.js'
import { effectiveParameters } from './pushed.js'

/** What the browser gets; an OAuthError that is thrown instead belongs on an error page. */
export type Step =
  | {
      readonly kind: 'signIn'
      /** Query of the page to come back to. */
      readonly request: string
      readonly reauthenticate: boolean
      readonly loginHint: string | undefined
    }
  | { readonly kind: 'consent'; readonly page: Omit<ConsentPage, 'action'> }
  | { readonly kind: 'redirect'; readonly location: string }
  /** An error for a client that the user may not want to be sent to. */
  | {
      readonly kind: 'stay'
      readonly error: OAuthError
      readonly location: string
      readonly destination: string
    }

export async function authorize(
  context: Context,
  parameters: Parameters,
  session: BrowserSession | undefined,
): Promise<Step> {
  return advance(context, await received(context, parameters), session)
}

/** Carries a request over to a page that is got, not posted: a form posted from another site brings no cookie. */
export async function hold(context: Context, parameters: Parameters): Promise<string> {
  return sealPending(context, await received(context, parameters))
}

async function received(context: Context, parameters: Parameters): Promise<Pending> {
  const { query, pushed } = await effectiveParameters(context, parameters)
  return { query: carried(query, MEANT), pushed, startedAt: context.now() }
}

/** After the login page. */
export async function resume(
  context: Context,
  sealed: string,
  session: BrowserSession | undefined,
): Promise<Step> {
  return advance(context, unsealPending(context, sealed), session)
}

async function advance(
  context: Context,
  pending: Pending,
  session: BrowserSession | undefined,
): Promise<Step> {
  const { query, pushed } = pending
  const trusted = await trustedRedirect(context, query)
  const silent = asksForSilence(query)
  try {
    const origin = { pushed: pushed !== undefined }
    const request = await authorizationRequest(context, query, trusted, origin)
    const signIn = signInNeeded(context, request, pending, session)
    if (signIn !== undefined || session === undefined) {
      if (silent) throw new OAuthError('login_required', 'the user must log in')
      return signInStep(context, pending, trusted, signIn, request.login_hint)
    }
    rejectOtherUser(request, session)
    if (await consentNeeded(context, request, session)) {
      if (silent) throw new OAuthError('consent_required', 'the user must be asked')
      return { kind: 'consent', page: consentPage(context, request, pending, session) }
    }
    const location = await issueCode(context, request, pending, session, request.scope)
    return { kind: 'redirect', location }
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    // Nobody is sent to a client before logging in, not even with an error (RFC 9700 section 4.11.2).
    if (session === undefined && !silent) return signInStep(context, pending, trusted)
    const location = redirectError(context, trusted, error)
    if (await isTrusted(context, trusted.client, session)) return { kind: 'redirect', location }
    return { kind: 'stay', error, location, destination: destination(trusted.redirect_uri) }
  }
}

/**
 * Where anybody may register clients, a request that must fail would send people anywhere: that takes an administrator who registered
 * the client, or a user who has let it in before (RFC 9700 section 4.11.2).
 */
async function isTrusted(
  { store }: Context,
  client: Client,
  session: BrowserSession | undefined,
): Promise<boolean> {
  if (client.registration_digest === undefined) return true
  if (session === undefined) return false
  return (await store.consent(session.sub, client.client_id)) !== undefined
}

function signInStep(
  context: Context,
  pending: Pending,
  { redirect_uri }: Trusted,
  signIn: SignIn = 'first',
  loginHint?: string,
): Step {
  const request = sealPending(context, { ...pending, source: formActionSource(redirect_uri) })
  return { kind: 'signIn', request, reauthenticate: signIn === 'again', loginHint }
}

/** `again`: somebody is signed in, but that is not enough. */
type SignIn = 'first' | 'again'

function signInNeeded(
  context: Context,
  { prompt, max_age, hint }: AuthorizationRequest,
  { startedAt }: Pending,
  session: BrowserSession | undefined,
): SignIn | undefined {
  if (session === undefined) return 'first'
  // Whoever logged in since the request came has done what it asked for.
  if (session.authTime >= startedAt) return undefined
  if (prompt.has('login') || prompt.has('select_account')) return 'again'
  if (max_age !== undefined && context.now() - session.authTime >= max_age * 1000) return 'again'
  if (hint !== undefined && hint.sub !== session.sub) return 'again'
  return undefined
}

/** OpenID Connect Core section 3.1.2.2 */
function rejectOtherUser({ hint }: AuthorizationRequest, session: BrowserSession): void {
  if (hint === undefined || hint.sub === session.sub) return
  throw new OAuthError('login_required', 'another user is logged in than the id_token_hint names')
}

/** Any program can claim to be a client on this computer, so these are always asked for (RFC 8252 section 8.6). */
async function consentNeeded(
  context: Context,
  { trusted, prompt, scope }: AuthorizationRequest,
  session: BrowserSession,
): Promise<boolean> {
  const { client, redirect_uri } = trusted
  if (prompt.has('consent')) return true
  if (client.application_type === 'native' || isLoopback(redirect_uri)) return true
  const allowed = await context.store.consent(session.sub, client.client_id)
  return allowed === undefined || !covers(allowed, scope)
}

function consentPage(
  context: Context,
  { trusted, scope, resource, deviceName }: AuthorizationRequest,
  pending: Pending,
  session: BrowserSession,
): Omit<ConsentPage, 'action'> {
  const { client, redirect_uri } = trusted
  return {
    fields: { request: sealConsent(context, pending, session, client) },
    client_id: client.client_id,
    client_name: client.client_name,
    scopes: scope.map((token) => ({ scope: token, required: token === 'openid' })),
    resource,
    destination: destination(redirect_uri),
    formAction: [formActionSource(redirect_uri)],
    ...(deviceName !== undefined && { deviceName }),
  }
}

/** The consent form came back; the request is checked once more, for the client may have changed since. */
export async function decide(
  context: Context,
  form: Parameters,
  session: BrowserSession,
): Promise<string> {
  const ticked = form.all('scope')
  const { pending, shown } = unsealConsent(context, form.required('request'), session)
  const trusted = await trustedRedirect(context, pending.query)
  const { client } = trusted
  if (shownClient(client) !== shown) throw new ClientChanged()
  try {
    const origin = { pushed: pending.pushed !== undefined }
    const request = await authorizationRequest(context, pending.query, trusted, origin)
    const scope = request.scope.filter((token) => token === 'openid' || ticked.includes(token))
    if (form.optional('decision') !== 'allow' || scope.length === 0)
      throw denied(context, request, session)
    const saved = await context.store.saveConsent(session.sub, client, scope.join(' '))
    if (!saved) throw new ClientChanged()
    return await issueCode(context, request, pending, session, scope)
  } catch (error) {
    if (!(error instanceof OAuthError) || error instanceof ClientChanged) throw error
    return redirectError(context, trusted, error)
  }
}

/** What was allowed is not what is there now: nobody is let in, or led anywhere. */
class ClientChanged extends OAuthError {
  constructor() {
    const message = 'the application has changed since you were asked: start again from it'
    super('access_denied', message, { status: 403 })
  }
}

function denied(context: Context, { trusted }: AuthorizationRequest, session: BrowserSession) {
  const { sub, address } = session
  const { client_id } = trusted.client
  context.audit({
    type: 'consent',
    outcome: 'failure',
    sub,
    client_id,
    address,
    detail: 'denied by the user',
  })
  return new OAuthError('access_denied', 'the user denied the request')
}
