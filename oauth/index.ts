/** The authorization server's only door. */

import { sourcesOf } from './authorization/pending.js'
import { type Grants, grantsOf } from './authorization/user-grants.js'
import { createContext, type Dependencies } from './context.js'
import { removeUnusedClients } from './endpoints/registration.js'
import { type Endpoints, serveEndpoints } from './endpoints/serve-endpoints.js'
import type { Middleware } from './http/middleware.js'
import { CONTINUE_PATH } from './pages/flow.js'
import { createRouter, type Interaction, type Router } from './pages/router.js'
import { scopeGuard } from './resource-server/guard.js'
import { isStillLive } from './tokens/live-token.js'
import { VerifiedTokens } from './tokens/verified-tokens.js'
import type { Authenticated } from './types.js'

export type { Grants, GrantView } from './authorization/user-grants.js'
export {
  INVISIBLE,
  type Registered,
  type Registry,
  registerClient,
} from './clients/register-client.js'
export type { Accounts, Dependencies } from './context.js'
export type { Endpoints } from './endpoints/serve-endpoints.js'
export { OAuthError, type OAuthErrorCode } from './errors.js'
export { bodyIsHere } from './http/body.js'
export type { Middleware, ServedRequest, ServedResponse } from './http/middleware.js'
export { type KeyStatus, keyStatus } from './keys/key-rotation.js'
export { type Keys, type LocalKeysOptions, localKeys, rotateLocalKeys } from './keys/keys.js'
export type { Interaction, SignInOptions } from './pages/router.js'
export type * from './shown-pages.js'
export type * from './store.js'
export type * from './types.js'
export {
  CLIENT_AUTH_METHODS,
  DEFAULT_LIFETIMES,
  GRANT_TYPES,
  SIGNING_ALGORITHMS,
} from './types.js'

export interface AuthorizationServer {
  /** All endpoints and pages; mount at the root, before any body parser. */
  readonly router: Router
  /** The endpoints that programs call, alone and without Express; `router` has them too. */
  readonly endpoints: Endpoints
  /**
   * Guards a resource: sets `response.locals.authenticated`, or sets WWW-Authenticate and hands an OAuthError (401, 403,
   * or 400 for a malformed request) to the error handler.
   */
  requireScope(scope: string): Middleware
  /** Whether an access token that was let in still counts: neither expired nor revoked since. */
  isLive(authenticated: Authenticated): boolean | Promise<boolean>
  /** CSP form-action sources beside 'self' for a login page that returns to `returnTo`. */
  formAction(returnTo: string): readonly string[]
  readonly grants: Grants
  /** Removes what has expired, in small steps; call it now and then. */
  sweep(): Promise<void>
}

/** Rows of each kind per step: each stays short, so requests are served in between. */
const SWEEP_LIMIT = 200

export function authorizationServer(
  dependencies: Dependencies & { readonly interaction: Interaction },
): AuthorizationServer {
  const context = createContext(dependencies)
  const tokens = new VerifiedTokens()
  const endpoints = serveEndpoints(context, tokens)
  return {
    router: createRouter(context, endpoints.serve, dependencies.interaction),
    endpoints,
    requireScope: (scope) => scopeGuard(context, tokens, scope),
    isLive: (authenticated) => isStillLive(context, authenticated),
    formAction(returnTo) {
      const { pathname, searchParams } = new URL(returnTo, context.issuer)
      if (!pathname.endsWith(CONTINUE_PATH)) return []
      return sourcesOf(context, searchParams.get('request') ?? '')
    },
    grants: grantsOf(context),
    async sweep() {
      while ((await context.store.sweep(context.now(), SWEEP_LIMIT)) >= SWEEP_LIMIT) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      await removeUnusedClients(context, SWEEP_LIMIT)
    },
  }
}
