import type { Request, RequestHandler, Response, Router } from 'express'
import type { ConsentPage, ErrorPage, LogoutPage, MessagePage, UserCodePage } from './pages.js'
import type { BrowserSession } from './types.js'

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

export interface AuthorizationServer {
  /** All endpoints and pages; mount at the root, before any body parser. */
  readonly router: Router
  /**
   * Guards a resource: sets `response.locals.authenticated`, or sets WWW-Authenticate and hands an OAuthError (401, 403,
   * or 400 for a malformed request) to the error handler.
   */
  requireScope(scope: string): RequestHandler
  /** CSP form-action sources beside 'self' for a login page that returns to `returnTo`. */
  formAction(returnTo: string): readonly string[]
}
