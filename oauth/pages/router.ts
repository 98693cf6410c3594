/** HTTP ⇄ the pages of the flows. The only file here that knows Express. */
import express, {
  type ErrorRequestHandler,
  type Request,
  type Response,
  type Router,
} from 'express'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { addressOf } from '../http/address.js'
import { setFields } from '../http/answer.js'
import { parseFormBody, readBody } from '../http/body.js'
import { methodNotAllowed } from '../http/method-not-allowed.js'
import type { Middleware } from '../http/middleware.js'
import { type Parameters, parseForm } from '../http/parameters.js'
import {
  type ConsentPage,
  type ErrorPage,
  errorPage,
  type LogoutPage,
  type MessagePage,
  type UserCodePage,
} from '../shown-pages.js'
import type { BrowserSession } from '../types.js'
import { type Page, pagesOf, type Shown } from './flow.js'

export type { Router }

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

export function createRouter(
  context: Context,
  endpoints: Middleware,
  interaction: Interaction,
): Router {
  const pages = express.Router({ caseSensitive: true, strict: true })
  for (const page of pagesOf(context)) {
    pages.all(page.path, async (request, response) => {
      response.set('Cache-Control', 'no-store')
      await show(interaction, request, response, await visit(page, request, interaction))
    })
  }
  pages.use(pageError(interaction))
  return express.Router().use(endpoints, pages)
}

async function visit(page: Page, request: Request, interaction: Interaction): Promise<Shown> {
  const handler = page.methods[request.method === 'HEAD' ? 'GET' : request.method]
  if (handler === undefined) throw methodNotAllowed(page.methods)
  const parameters = request.method === 'POST' ? await formOf(request) : queryOf(request)
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

async function formOf(request: Request): Promise<Parameters> {
  return parseFormBody(request.headers['content-type'], await readBody(request))
}

function queryOf(request: Request): Parameters {
  const at = request.originalUrl.indexOf('?')
  return parseForm(at === -1 ? '' : request.originalUrl.slice(at + 1))
}

function oneOrAll(values: readonly string[]): string | readonly string[] {
  const [only, ...others] = values
  return only !== undefined && others.length === 0 ? only : values
}

/** Performs what the flow decided. */
async function show(
  interaction: Interaction,
  request: Request,
  response: Response,
  shown: Shown,
): Promise<void> {
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
    case 'error':
      return interaction.error(request, response, shown.page)
    case 'signOut':
      await interaction.signOut(request, response)
      if (shown.location !== undefined) return redirect(response, 303, shown.location)
      return interaction.message(request, response, {
        title: 'Signed out',
        message: 'You are signed out in this browser.',
      })
  }
}

/** As it is: Express would re-encode what must come back to the client unchanged. */
function redirect(response: Response, status: 302 | 303, location: string): void {
  response.status(status).setHeader('Location', location)
  response.end()
}

function pageError(interaction: Interaction): ErrorRequestHandler {
  return async (error, request, response, next) => {
    if (!(error instanceof OAuthError) || response.headersSent) return next(error)
    setFields(response, error.headers)
    await interaction.error(request, response, errorPage(error))
  }
}
