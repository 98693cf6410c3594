/** HTTP ⇄ the endpoints. The only file here that knows Express. */
import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from 'express'
import type { VerifiedTokens } from './authenticate.js'
import { parseFormBody, parseJsonBody } from './body.js'
import type { Answer } from './call.js'
import type { Context } from './context.js'
import { type Endpoint, endpointsOf } from './endpoints.js'
import { OAuthError } from './errors.js'
import { type Page, pagesOf, type Shown } from './flow.js'
import { addressOf, callOf, setFields } from './guard.js'
import type { ConsentPage, ErrorPage, LogoutPage, MessagePage, UserCodePage } from './pages.js'
import { Parameters, parseForm } from './parameters.js'
import type { BrowserSession } from './types.js'

export type { RequestHandler, Router }

/**
 * What the site does for the authorization server: it knows browsers, sessions and how pages look.
 * Forms come with `request.body` filled: a plain object, a string for each field that came once, an array otherwise.
 */
export interface Interaction {
  /** Who is signed in here, if anybody. */
  session(request: Request): Promise<BrowserSession | undefined>
  /**
   * Sends the browser to the login page and afterwards back to `returnTo`, a path of this origin. The login page must let
   * `formAction(returnTo)` of the server through its CSP: the answer to its form may end up there by redirects.
   */
  signIn(request: Request, response: Response, options: SignInOptions): Promise<void>
  /** Throws (an error with status 403) unless same-origin, CSRF token right, and signed in. */
  checkForm(request: Request): Promise<BrowserSession>
  /** Ends the session on the server, and the cookie. */
  signOut(request: Request, response: Response): Promise<void>
  consent(request: Request, response: Response, page: ConsentPage): Promise<void>
  userCode(request: Request, response: Response, page: UserCodePage): Promise<void>
  logout(request: Request, response: Response, page: LogoutPage): Promise<void>
  message(request: Request, response: Response, page: MessagePage): Promise<void>
  error(request: Request, response: Response, page: ErrorPage): Promise<void>
}

export interface SignInOptions {
  readonly returnTo: string
  /** Ask for the password even when somebody is signed in. */
  readonly reauthenticate: boolean
  readonly loginHint?: string
}

const BODY_MAX = '64kb'

/** Browser applications may call the endpoints that take tokens in fields: no cookie is involved (RFC 9700 section 2.6). */
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'WWW-Authenticate, DPoP-Nonce',
} as const

const PREFLIGHT = {
  'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, DPoP',
  'Access-Control-Max-Age': '3600',
} as const

export function createRouter(
  context: Context,
  tokens: VerifiedTokens,
  interaction: Interaction,
): Router {
  const body = express.raw({ type: () => true, limit: BODY_MAX })
  const endpoints = express.Router({ caseSensitive: true, strict: true })
  for (const endpoint of endpointsOf(context, tokens)) {
    endpoints.all(
      endpoint.path,
      fields(endpoint),
      methodOf(endpoint.methods),
      body,
      async (request, response) => send(response, await answer(context, endpoint, request)),
    )
  }
  endpoints.use(answerError)

  const pages = express.Router({ caseSensitive: true, strict: true })
  const show = shows(interaction)
  for (const page of pagesOf(context)) {
    pages.all(page.path, noStore, methodOf(page.methods), body, async (request, response) => {
      await show(request, response, await visit(page, request, interaction))
    })
  }
  pages.use(pageError(interaction))

  return express.Router().use(endpoints, pages)
}

async function answer(context: Context, endpoint: Endpoint, request: Request): Promise<Answer> {
  const handle = endpoint.methods[request.method === 'HEAD' ? 'GET' : request.method]
  if (handle === undefined) throw new Error(`${request.method} has no handler`)
  const isJson = endpoint.body === 'json'
  const call = callOf(context, request, isJson ? new Parameters([]) : formOf(request))
  const { client_id } = request.params
  return handle({
    ...call,
    content: isJson ? jsonOf(request) : undefined,
    client_id: typeof client_id === 'string' ? client_id : '',
  })
}

async function visit(page: Page, request: Request, interaction: Interaction): Promise<Shown> {
  const handler = page.methods[request.method === 'HEAD' ? 'GET' : request.method]
  if (handler === undefined) throw new Error(`${request.method} has no handler`)
  const parameters = request.method === 'POST' ? formOf(request) : queryOf(request)
  const address = addressOf(request)
  request.body = Object.fromEntries(
    parameters.pairs.map(([name]) => [name, oneOrAll(parameters.all(name))]),
  )
  switch (handler.kind) {
    case 'open':
      return handler.handle({ parameters, address, session: await interaction.session(request) })
    case 'form':
      return handler.handle({ parameters, address, session: await interaction.checkForm(request) })
  }
}

function oneOrAll(values: readonly string[]): string | readonly string[] {
  const [only, ...others] = values
  return only !== undefined && others.length === 0 ? only : values
}

/** Performs what the flow decided. */
function shows(interaction: Interaction) {
  return async (request: Request, response: Response, shown: Shown): Promise<void> => {
    switch (shown.kind) {
      case 'redirect':
        // 303 after a form: nothing that was posted is sent on (RFC 9700 section 4.12).
        return redirect(response, request.method === 'POST' ? 303 : 302, shown.location)
      case 'signIn': {
        const { returnTo, reauthenticate, loginHint } = shown
        const hint = loginHint === undefined ? {} : { loginHint }
        return interaction.signIn(request, response, { returnTo, reauthenticate, ...hint })
      }
      case 'consent':
        return interaction.consent(request, response, shown.page)
      case 'userCode':
        return interaction.userCode(request, response, shown.page)
      case 'logout':
        return interaction.logout(request, response, shown.page)
      case 'message':
        return interaction.message(request, response, shown.page)
      case 'signOut':
        await interaction.signOut(request, response)
        if (shown.location !== undefined) return redirect(response, 303, shown.location)
        return interaction.message(request, response, {
          title: 'Signed out',
          message: 'You are signed out in this browser.',
        })
    }
  }
}

/** As it is: Express would re-encode what must come back to the client unchanged. */
function redirect(response: Response, status: 302 | 303, location: string): void {
  response.status(status).setHeader('Location', location)
  response.end()
}

function bytesOf(request: Request): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

function formOf(request: Request): Parameters {
  return parseFormBody(request.headers['content-type'], bytesOf(request))
}

function jsonOf(request: Request): unknown {
  return request.method === 'GET' || request.method === 'DELETE'
    ? undefined
    : parseJsonBody(request.headers['content-type'], bytesOf(request))
}

function queryOf(request: Request): Parameters {
  const at = request.originalUrl.indexOf('?')
  return parseForm(at === -1 ? '' : request.originalUrl.slice(at + 1))
}

function fields({ maxAge }: Endpoint): RequestHandler {
  return (request, response, next) => {
    response.set(CORS)
    if (maxAge > 0) response.set('Cache-Control', `public, max-age=${maxAge}`)
    else response.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' })
    if (request.method !== 'OPTIONS') return next()
    response.set(PREFLIGHT).status(204).end()
  }
}

const noStore: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store')
  next()
}

/** RFC 9110 section 15.5.6 */
function methodOf(methods: Readonly<Record<string, unknown>>): RequestHandler {
  const allowed = [...Object.keys(methods), ...('GET' in methods ? ['HEAD'] : [])]
  return (request, _response, next) => {
    if (allowed.includes(request.method)) return next()
    throw new OAuthError(
      'invalid_request',
      `the method is not allowed; use ${allowed.join(', ')}`,
      {
        status: 405,
        headers: { Allow: allowed.join(', ') },
      },
    )
  }
}

function send(response: Response, { status, headers, body }: Answer): void {
  setFields(response, headers)
  response.status(status)
  if (body === undefined) response.end()
  else response.type('application/json').send(JSON.stringify(body))
}

/** The body parser's own refusals become ours; anything else is for the site to report. */
function asOAuthError(error: unknown): OAuthError | undefined {
  if (error instanceof OAuthError) return error
  if (!(error instanceof Error && 'type' in error && 'status' in error)) return undefined
  const status = Number(error.status)
  return new OAuthError('invalid_request', 'the body cannot be read', { status, cause: error })
}

const answerError: ErrorRequestHandler = (error, _request, response, next) => {
  const known = asOAuthError(error)
  if (known === undefined || response.headersSent) return next(error)
  response.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' })
  send(response, { status: known.status, headers: known.headers, body: known.body })
}

function pageError(interaction: Interaction): ErrorRequestHandler {
  return async (error, request, response, next) => {
    const known = asOAuthError(error)
    if (known === undefined || response.headersSent) return next(error)
    setFields(response, known.headers)
    const { status, error: code, message } = known
    await interaction.error(request, response, { status, error: code, message })
  }
}
