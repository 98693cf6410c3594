/** The resource server's side of a request, on Node's own types: it runs with Express and without. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { authenticate, type VerifiedTokens } from './authenticate.js'
import { type Answer, type Call, credentialFields } from './call.js'
import type { Context } from './context.js'
import { currentNonce } from './dpop.js'
import { OAuthError } from './errors.js'
import { Parameters } from './parameters.js'

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

/** Guards a resource server: who is let through is in `response.locals.authenticated`. */
export function scopeGuard(context: Context, tokens: VerifiedTokens, scope: string): Guard {
  const audiences = new Set([context.resource])
  return async (request, response, next) => {
    try {
      const call = callOf(context, request, new Parameters([]))
      const { authenticated, live } = await authenticate(context, tokens, call, {
        audiences,
        scope,
      })
      response.locals.authenticated = authenticated
      // The next nonce comes before it is needed (RFC 9449 section 8.2).
      if (live.claims.cnf !== undefined) response.setHeader('DPoP-Nonce', currentNonce(context))
    } catch (error) {
      if (error instanceof OAuthError) setFields(response, error.headers)
      return next(error)
    }
    next()
  }
}

export function callOf(context: Context, request: GuardedRequest, parameters: Parameters): Call {
  return {
    method: request.method ?? '',
    url: context.origin + request.originalUrl,
    headers: credentialFields(request.rawHeaders),
    address: addressOf(request),
    parameters,
  }
}

/** An IPv4 address in the form people know, also on a socket of both families. */
export function addressOf(request: GuardedRequest): string {
  return request.ip?.replace(/^::ffff:(?=\d+\.)/i, '') ?? ''
}

export function setFields(response: ServerResponse, headers: Answer['headers'] = {}): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
}
