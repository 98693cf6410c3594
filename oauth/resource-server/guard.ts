/** The resource server's side of a request, on Node's own types: it runs with Express and without. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { currentNonce } from '../clients/dpop.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { type Answer, type Call, credentialFields } from '../http/call.js'
import { Parameters } from '../http/parameters.js'
import {
  authenticate,
  type LiveToken,
  noteUse,
  recognize,
  type VerifiedTokens,
} from './authenticate.js'

/** Node's request and answer, with what Express adds and a guard needs. */
export interface GuardedRequest extends IncomingMessage {
  readonly originalUrl: string
  readonly ip?: string | undefined
}
export interface GuardedResponse extends ServerResponse {
  // biome-ignore lint/suspicious/noExplicitAny: as Express has it
  locals: Record<string, any>
}
export type Guard = (
  request: GuardedRequest,
  response: GuardedResponse,
  next: (error?: unknown) => void,
) => void

const NO_PARAMETERS = new Parameters([])

/** Guards a resource server: who is let through is in `response.locals.authenticated`. */
export function scopeGuard(context: Context, tokens: VerifiedTokens, scope: string): Guard {
  const needed = { audiences: new Set([context.resource]), scope }
  return (request, response, next) => {
    const refuse = (error: unknown) => {
      if (error instanceof OAuthError) setFields(response, error.headers)
      next(error)
    }
    const admit = (live: LiveToken) => {
      response.locals.authenticated = live.authenticated
      noteUse(context, live, call.address)
      // The next nonce comes before it is needed (RFC 9449 section 8.2).
      if (live.claims.cnf !== undefined) response.setHeader('DPoP-Nonce', currentNonce(context))
      next()
    }
    const call = callOf(context, request, NO_PARAMETERS)
    let known: LiveToken | undefined
    try {
      known = recognize(context, tokens, call, request.socket, needed)
    } catch (error) {
      return refuse(error)
    }
    if (known !== undefined) return admit(known)
    authenticate(context, tokens, call, needed).then(admit, refuse)
  }
}

export function callOf(context: Context, request: GuardedRequest, parameters: Parameters): Call {
  return {
    method: request.method ?? '',
    url: context.origin + request.originalUrl,
    headers: credentialFields(request.rawHeaders),
    address: addressOf(request),
    connection: request.ip === request.socket.remoteAddress ? request.socket : request,
    parameters,
  }
}

/** An IPv4 address in the form people know, also on a socket of both families. */
export function addressOf(request: GuardedRequest): string {
  const { ip = '' } = request
  return ip.startsWith('::') ? ip.replace(/^::ffff:(?=\d+\.)/i, '') : ip
}

export function setFields(response: ServerResponse, headers: Answer['headers'] = {}): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
}
