/**
 * An authorization request that waits for its user. It lives in the URL or the form of its own tab, sealed, so tabs do not
 * disturb each other, nothing piles up on the server, and a restart loses nobody.
 */

import { shownClient } from '../clients/shown-client.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { Parameters } from '../http/parameters.js'
import { seal, unseal } from '../sealed.js'
import type { BrowserSession, Client, Digest, PushedUse } from '../types.js'

export interface Pending {
  readonly query: Parameters
  /** The pushed request it came from; spent when the code is issued. */
  readonly pushed: PushedUse | undefined
  /** A login since then satisfies prompt=login and max_age. */
  readonly startedAt: number
  /** CSP source of the redirection endpoint, once that is trusted. */
  readonly source?: string
}

const WAITING = 'authorization request'
const CONSENT = 'consent'

interface Wire {
  readonly query: readonly (readonly [string, string])[]
  /** Not `pushed`: pages of a former version have something else there. */
  readonly pushedUse?: PushedUse
  readonly startedAt: number
  readonly source?: string
  readonly sid?: string
  readonly sub?: string
  readonly client?: Digest
}

function wire({ query, pushed, startedAt, source }: Pending): Wire {
  return {
    query: query.pairs,
    startedAt,
    ...(pushed !== undefined && { pushedUse: pushed }),
    ...(source !== undefined && { source }),
  }
}

export function sealPending(context: Context, pending: Pending): string {
  return seal(context.derived.sealing, WAITING, JSON.stringify(wire(pending)))
}

export function unsealPending(context: Context, sealed: string): Pending {
  return open(context, WAITING, sealed).pending
}

/** For the consent form: bound to who was asked, in which session, and to the client as it was shown. */
export function sealConsent(
  context: Context,
  pending: Pending,
  { sid, sub }: BrowserSession,
  client: Client,
): string {
  const content: Wire = { ...wire(pending), sid, sub, client: shownClient(client) }
  return seal(context.derived.sealing, CONSENT, JSON.stringify(content))
}

/** What was asked, and about whom. */
export interface AskedConsent {
  readonly pending: Pending
  readonly shown: Digest | undefined
}

export function unsealConsent(
  context: Context,
  sealed: string,
  session: BrowserSession,
): AskedConsent {
  const { pending, content } = open(context, CONSENT, sealed)
  if (content.sid === session.sid && content.sub === session.sub) {
    return { pending, shown: content.client }
  }
  throw new OAuthError(
    'access_denied',
    'this page belongs to another sign-in: start again from the application',
    {
      status: 403,
    },
  )
}

function open(context: Context, purpose: string, sealed: string) {
  const text = unseal(context.derived.sealing, purpose, sealed)
  const content: Wire | undefined = text === undefined ? undefined : JSON.parse(text)
  const oldest = context.now() - context.lifetimes.interaction * 1000
  if (content === undefined || content.startedAt < oldest) {
    throw new OAuthError(
      'invalid_request',
      'this page has expired: start again from the application',
    )
  }
  const { query, pushedUse: pushed, startedAt } = content
  return { content, pending: { query: new Parameters(query), pushed, startedAt } }
}

/** CSP form-action sources for a login page that comes back with this request. */
export function sourcesOf(context: Context, sealed: string): readonly string[] {
  const text = unseal(context.derived.sealing, WAITING, sealed)
  const content: Wire | undefined = text === undefined ? undefined : JSON.parse(text)
  return content?.source === undefined ? [] : [content.source]
}
