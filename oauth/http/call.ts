import type { Context } from '../context.js'
import { addressOf } from './address.js'
import type { ServedRequest } from './middleware.js'
import type { Parameters } from './parameters.js'

/** One request, as the endpoints see it: no framework in it. */
export interface Call {
  readonly method: string
  /** Absolute, made of the configured issuer; never of the Host field (RFC 9700 section 4.13). */
  readonly url: string
  readonly headers: CredentialFields
  readonly address: string
  /** The same object for all requests of one connection; one for each request behind a proxy, whose connections are everybody's. */
  readonly connection: object
  readonly parameters: Parameters
}

/** The fields that show who asks, every line on its own, so that repeated ones show. */
export interface CredentialFields {
  readonly authorization: readonly string[]
  readonly dpop: readonly string[]
}

/** Out of names and values by turns, as Node has them: two fields do not need all of them sorted. */
function credentialFields(raw: readonly string[]): CredentialFields {
  const authorization: string[] = []
  const dpop: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? ''
    const value = raw[at + 1] ?? ''
    if (name.length === 13 && name.toLowerCase() === 'authorization') authorization.push(value)
    else if (name.length === 4 && name.toLowerCase() === 'dpop') dpop.push(value)
  }
  return { authorization, dpop }
}

export function callOf(context: Context, request: ServedRequest, parameters: Parameters): Call {
  return {
    method: request.method ?? '',
    url: context.origin + request.originalUrl,
    headers: credentialFields(request.rawHeaders),
    address: addressOf(request),
    connection: request.ip === request.socket.remoteAddress ? request.socket : request,
    parameters,
  }
}
