/** OpenID Connect RP-Initiated Logout. */

import {
  formActionSource,
  type RegisteredUri,
  registeredUri,
  withParameters,
} from '../clients/redirect-uri.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { carried } from '../http/carried.js'
import { Parameters } from '../http/parameters.js'
import { seal, unseal } from '../sealed.js'
import type { LogoutPage } from '../shown-pages.js'
import { type IdTokenClaims, verifyIdTokenHint } from '../tokens/id-token.js'
import type { BrowserSession, Client } from '../types.js'

export type LogoutStep =
  | { readonly kind: 'ask'; readonly page: Omit<LogoutPage, 'action'> }
  /** The session may end; afterwards to `location`, or to a page that says so. */
  | { readonly kind: 'done'; readonly location: string | undefined }

/** Errors are thrown and shown, never redirected (RP-Initiated Logout section 4). */
export async function requestLogout(
  context: Context,
  parameters: Parameters,
  session: BrowserSession | undefined,
): Promise<LogoutStep> {
  const { hint, client, target } = await logoutRequest(context, parameters)
  const state = parameters.optional('state')
  const location = mayLead(client, session)
    ? target && withParameters(target, { state })
    : undefined
  // Without proof that the application speaks for this user, the user is asked (section 2).
  if (session === undefined || hint?.sub === session.sub) return { kind: 'done', location }
  const content: Confirmation = { sid: session.sid, ...(location !== undefined && { location }) }
  return {
    kind: 'ask',
    page: {
      fields: { request: seal(context.derived.sealing, PURPOSE, JSON.stringify(content)) },
      client_name: client?.client_name,
      formAction: target === undefined ? [] : [formActionSource(target)],
    },
  }
}

/** Whose client registered itself gets an ID token of their own: that leads nobody anywhere who is not signed in (section 3). */
function mayLead(client: Client | undefined, session: BrowserSession | undefined): boolean {
  return session !== undefined || client?.registration_digest === undefined
}

interface LogoutRequest {
  readonly hint: IdTokenClaims | undefined
  readonly client: Client | undefined
  readonly target: RegisteredUri | undefined
}

async function logoutRequest(context: Context, query: Parameters): Promise<LogoutRequest> {
  query.rejectRepeated()
  const id_token_hint = query.optional('id_token_hint')
  const client_id = query.optional('client_id')
  const uri = query.optional('post_logout_redirect_uri')
  const hint = id_token_hint === undefined ? undefined : await provenHint(context, id_token_hint)
  if (hint !== undefined && client_id !== undefined && hint.aud !== client_id) {
    throw new OAuthError('invalid_request', 'the id_token_hint was issued to another client')
  }
  const name = hint?.aud ?? client_id
  const client = name === undefined ? undefined : await context.store.client(name)
  // No hint, no redirect (section 3): anybody could send anybody anywhere.
  if (hint === undefined || uri === undefined) return { hint, client, target: undefined }
  const target = registeredUri(uri, client?.post_logout_redirect_uris ?? [])
  if (target !== undefined) return { hint, client, target }
  throw new OAuthError('invalid_request', 'the post_logout_redirect_uri is not registered')
}

/** One whose key is gone is of a session that is over: it proves as much as none, and the user is asked (section 2). */
async function provenHint(context: Context, token: string): Promise<IdTokenClaims | undefined> {
  const hint = await verifyIdTokenHint(context, token)
  return hint.kind === 'proven' ? hint.claims : undefined
}

/** What the confirmation form carries. */
interface Confirmation {
  readonly sid: string
  readonly location?: string
}
const PURPOSE = 'logout'

/** Where to go after the user said yes. */
export function confirmedLogout(
  context: Context,
  request: string,
  session: BrowserSession,
): string | undefined {
  const text = unseal(context.derived.sealing, PURPOSE, request)
  const confirmation: Confirmation | undefined = text === undefined ? undefined : JSON.parse(text)
  if (confirmation?.sid === session.sid) return confirmation.location
  throw new OAuthError('invalid_request', 'this page belongs to another sign-in: log out again')
}

const HELD = 'logout request'
const MEANT: ReadonlySet<string> = new Set([
  ...['id_token_hint', 'client_id', 'post_logout_redirect_uri', 'state'],
])

/** Carries a request that was posted from another site over to one that brings the session's cookie. */
export function holdLogout(context: Context, parameters: Parameters): string {
  return seal(context.derived.sealing, HELD, JSON.stringify(carried(parameters, MEANT).pairs))
}

export function heldLogout(context: Context, sealed: string): Parameters {
  const text = unseal(context.derived.sealing, HELD, sealed)
  if (text === undefined)
    throw new OAuthError('invalid_request', 'the logout request is damaged: log out again')
  return new Parameters(JSON.parse(text))
}

/** Grants of the session end with it, unless they were given for longer (offline_access). */
export async function endSessionGrants(
  context: Context,
  { sid, sub, address }: BrowserSession,
): Promise<void> {
  const died = await context.store.revokeGrantsOfSession(sid, context.now())
  const detail = `${died} grants ended`
  context.audit({ type: 'logout', outcome: 'success', sub, address, detail })
}
