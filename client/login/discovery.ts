import { z } from 'zod'
import { code_challenge_method } from '../../oauth/pkce.js'
import { CommandError } from '../command-error.js'
import type { Answer, Send } from '../http/exchange.js'
import { settled } from '../http/retry.js'
import { jsonOrNothing, serverBase } from './account.js'
import { httpsUrl } from './https-url.js'

/** Everything a login needs, found out from nothing but the server's URL (RFC 9728, RFC 8414). */
export interface Authority {
  readonly resource: string
  readonly issuer: string
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly revocation_endpoint?: string | undefined
  readonly device_authorization_endpoint?: string | undefined
  /** The server sends `iss` in every authorization response (RFC 9207 section 3). */
  readonly sendsIssuer: boolean
  /** Algorithms for proofs of possession (RFC 9449 section 5.1); none: the server does not know them. */
  readonly dpopAlgorithms: readonly string[]
}

/** RFC 9728 section 2 */
const RESOURCE = z.object({ resource: httpsUrl, authorization_servers: z.array(httpsUrl).min(1) })

/** RFC 8414 section 2 */
const SERVER = z.object({
  issuer: httpsUrl,
  authorization_endpoint: httpsUrl,
  token_endpoint: httpsUrl,
  revocation_endpoint: httpsUrl.optional(),
  device_authorization_endpoint: httpsUrl.optional(),
  code_challenge_methods_supported: z.array(z.string()).default([]),
  authorization_response_iss_parameter_supported: z.boolean().default(false),
  dpop_signing_alg_values_supported: z.array(z.string()).default([]),
})

const ENDPOINTS = [
  'authorization_endpoint',
  'token_endpoint',
  'revocation_endpoint',
  'device_authorization_endpoint',
] as const

const ANSWER_LIMIT = 256 * 1024
const DEADLINE_MILLISECONDS = 30_000

/** @throws CommandError if this is no Coffer server; ExchangeError if it cannot be reached */
export async function discover(server: URL, send: Send, signal?: AbortSignal): Promise<Authority> {
  const base = serverBase(server)
  const files = `${base}/files`
  const get = async (url: string): Promise<Answer> =>
    settled(
      await send({
        method: 'GET',
        url: new URL(url),
        headers: { Accept: 'application/json' },
        limit: ANSWER_LIMIT,
        deadlineMilliseconds: DEADLINE_MILLISECONDS,
        signal,
      }),
    )
  const challenged = await get(files)
  const metadata = resourceMetadataUrl(challenged)
  if (challenged.status !== 401 || metadata === undefined) throw stranger(base)
  if (new URL(metadata).origin !== server.origin) throw otherName(base, new URL(metadata).origin)

  const resource = parsed(RESOURCE, await get(metadata), base)
  // RFC 9728 section 3.3: the metadata must be about the very resource that was asked for.
  if (files !== resource.resource) {
    throw otherName(base, resource.resource.replace(/\/files$/, ''))
  }
  const [issuer = ''] = resource.authorization_servers
  const found = parsed(SERVER, await get(authorizationServerMetadataUrl(issuer)), base)
  if (found.issuer !== issuer) {
    throw new CommandError(
      `${base} names the login server ${issuer}, which calls itself ${found.issuer}: do not log in, tell its administrator (RFC 8414 section 3.3)`,
    )
  }
  // An endpoint elsewhere could be another server's, to which a code or its user would be sent (RFC 9700 section 4.4).
  const elsewhere = ENDPOINTS.map((name) => found[name]).find(
    (endpoint) => endpoint !== undefined && new URL(endpoint).origin !== new URL(issuer).origin,
  )
  if (elsewhere !== undefined) {
    throw new CommandError(
      `the login server ${issuer} sends logins to another one, ${elsewhere}: do not log in, tell its administrator`,
    )
  }
  if (!found.code_challenge_methods_supported.includes(code_challenge_method)) {
    throw new CommandError(
      `the login server ${issuer} does not support PKCE, so it is not safe to log in`,
    )
  }
  return {
    ...found,
    resource: resource.resource,
    sendsIssuer: found.authorization_response_iss_parameter_supported,
    dpopAlgorithms: found.dpop_signing_alg_values_supported,
  }
}

/** resource_metadata in the challenge (RFC 9728 section 5.1) */
function resourceMetadataUrl({ headers }: Answer): string | undefined {
  const url = /\bresource_metadata="([^"]+)"/i.exec(headers['www-authenticate'] ?? '')?.[1]
  return url !== undefined && URL.canParse(url) && url.startsWith('https:') ? url : undefined
}

/** The well-known part goes between host and path (RFC 8414 section 3.1). */
function authorizationServerMetadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
}

function parsed<T>(schema: z.ZodType<T>, answer: Answer, base: string): T {
  const result = schema.safeParse(jsonOrNothing(answer.body.toString()))
  if (answer.status !== 200 || !result.success) throw stranger(base)
  return result.data
}

function stranger(base: string): CommandError {
  return new CommandError(
    `${base} answers, but it is not a Coffer server. Check the address and the port.`,
  )
}

function otherName(base: string, name: string): CommandError {
  return new CommandError(`The server at ${base} goes by the name ${name}. Use that address.`)
}
