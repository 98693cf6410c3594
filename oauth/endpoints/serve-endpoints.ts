/** Serves the endpoints that programs call, on Node's own types: within Express, or ahead of it where speed counts. */
import type { ServerResponse } from 'node:http'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { type Answer, JsonText } from '../http/answer.js'
import { parseFormBody, parseJsonBody, readBody } from '../http/body.js'
import { callOf } from '../http/call.js'
import { endOfTurn } from '../http/end-of-turn.js'
import { methodNotAllowed } from '../http/method-not-allowed.js'
import type { Middleware, ServedRequest, ServedResponse } from '../http/middleware.js'
import { Parameters } from '../http/parameters.js'
import type { VerifiedTokens } from '../tokens/verified-tokens.js'
import { type Endpoint, endpointsOf } from './endpoints.js'

/**
 * Public clients run in browsers, too (RFC 9700 section 2.6), of origins that nobody registers. What these endpoints answer
 * depends on credentials in the request alone: no cookie is looked at, so a page that calls them gets nothing that it
 * could not get without the browser. The pages, which look at cookies, have none of this.
 */
const CORS = [
  ...['Access-Control-Allow-Origin', '*'],
  ...['Access-Control-Expose-Headers', 'WWW-Authenticate, DPoP-Nonce, Retry-After'],
]

const PREFLIGHT = {
  'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, DPoP',
  'Access-Control-Max-Age': '3600',
} as const

const NO_STORE = ['Cache-Control', 'no-store', 'Pragma', 'no-cache']
const OPEN_NO_STORE = [...CORS, ...NO_STORE]

interface Match {
  readonly endpoint: Endpoint
  readonly client_id: string
}

export interface Endpoints {
  /** Whether one of them is asked for, by the target of a request. */
  match(target: string): boolean
  /**
   * Calls `next` for every other path, and with what is not an error of the protocol. Leaves the error code of what it
   * refuses in `response.locals.refusal`, for limits.
   */
  readonly serve: Middleware
}

export function serveEndpoints(context: Context, tokens: VerifiedTokens): Endpoints {
  const endpoints = new Map(endpointsOf(context, tokens).map((each) => [each.path, each]))

  function find(target: string): Match | undefined {
    const query = target.indexOf('?')
    const path = query === -1 ? target : target.slice(0, query)
    const exact = endpoints.get(path)
    if (exact !== undefined) return { endpoint: exact, client_id: '' }
    const slash = path.lastIndexOf('/')
    const endpoint = endpoints.get(`${path.slice(0, slash)}/:client_id`)
    return endpoint && { endpoint, client_id: path.slice(slash + 1) }
  }

  async function serve(request: ServedRequest, response: ServedResponse, found: Match) {
    const { maxAge, forBrowsers } = found.endpoint
    const noStore = forBrowsers ? OPEN_NO_STORE : NO_STORE
    const fields = maxAge > 0 ? [...CORS, 'Cache-Control', `public, max-age=${maxAge}`] : noStore
    if (request.method === 'OPTIONS' && forBrowsers) {
      return send(response, fields, { status: 204, headers: PREFLIGHT })
    }
    try {
      const answered = await answer(context, request, found)
      await endOfTurn()
      send(response, fields, answered)
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error
      const { status, headers, body } = error
      response.locals.refusal = error.error
      send(response, noStore, { status, headers, body })
    }
  }

  return {
    match: (target) => find(target) !== undefined,
    serve(request, response, next) {
      const found = find(request.originalUrl)
      if (found === undefined) return next()
      serve(request, response, found).catch(next)
    },
  }
}

async function answer(
  context: Context,
  request: ServedRequest,
  { endpoint, client_id }: Match,
): Promise<Answer> {
  const { method = '' } = request
  const handle = endpoint.methods[method === 'HEAD' ? 'GET' : method]
  if (handle === undefined) throw methodNotAllowed(endpoint.methods)
  const type = request.headers['content-type']
  const bytes = await readBody(request)
  if (endpoint.body === 'form') {
    const call = callOf(context, request, parseFormBody(type, bytes))
    return await handle(call, { content: undefined, client_id })
  }
  const content = bytes.length === 0 ? undefined : parseJsonBody(type, bytes)
  return handle(callOf(context, request, new Parameters([])), { content, client_id })
}

/** One call with all the fields: set one by one, they cost several times as much. */
function send(
  response: ServerResponse,
  always: readonly string[],
  { status, headers, body }: Answer,
): void {
  const fields: (string | string[])[] = [...always]
  if (headers !== undefined) {
    for (const [name, value] of Object.entries(headers)) {
      fields.push(name, typeof value === 'string' ? value : [...value])
    }
  }
  if (body === undefined) {
    response.writeHead(status, fields)
    response.end()
    return
  }
  const text = body instanceof JsonText ? body.text : JSON.stringify(body)
  const length = Buffer.byteLength(text)
  fields.push('Content-Type', 'application/json; charset=utf-8', 'Content-Length', String(length))
  response.writeHead(status, fields)
  // As many bytes as characters: ASCII, which is the same in latin1, and Node is much quicker with that.
  response.end(text, length === text.length ? 'latin1' : 'utf8')
}
