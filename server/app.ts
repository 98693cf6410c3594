import express, { type RequestHandler, type Router } from 'express'
import type { AuthorizationServer, Middleware } from '../oauth/index.js'
import type { Limits } from './accounts/limits.js'
import { rawTarget } from './api/exchange/target.js'
import { apiHeaders, securityHeaders } from './headers.js'
import { CROSS_ORIGIN } from './http/cross-origin.js'
import { type Log, RequestLog } from './log.js'
import {
  ahead,
  directAddress,
  failedAhead,
  forwardedAddress,
  type Lane,
  type LeanListener,
  type LeanStep,
} from './requests/ahead.js'
import { deadline } from './requests/deadline.js'
import { notFound, onError } from './requests/failure.js'
import { sound } from './requests/soundness.js'
import { expectedHost } from './site/expected-host.js'
import type { Site } from './site/site.js'
import { inOwnTurn } from './turn.js'

export interface AppDependencies {
  readonly site: Site
  readonly authorization: Pick<AuthorizationServer, 'endpoints' | 'router'>
  readonly files: Middleware
  readonly login: Router
  readonly account: Router
  readonly sessionCookie: RequestHandler
  readonly clientLimits: Pick<Limits, 'clients' | 'unfinished'>
  readonly log: Log
  readonly trustProxy: readonly string[]
}

/** Where clients authenticate with a secret (RFC 6749 section 2.3.1: against guessing). */
const CLIENT_ENDPOINTS: ReadonlySet<string> = new Set([
  ...['/token', '/revoke', '/introspect', '/par', '/device_authorization'],
])
/** Where they leave something behind before any user has agreed. */
const BEGINNINGS: ReadonlySet<string> = new Set(['/par', '/device_authorization'])

/** Everything a request goes through, in this order. */
export function createApp(dependencies: AppDependencies): LeanListener {
  const { site, authorization, files, login, account, sessionCookie, clientLimits, log } =
    dependencies
  const { issuer, pages } = site

  const limited: Middleware = (request, response, next) => {
    const { originalUrl } = request
    const query = originalUrl.indexOf('?')
    const path = query === -1 ? originalUrl : originalUrl.slice(0, query)
    if (!CLIENT_ENDPOINTS.has(path)) return next()
    clientLimits.clients(request, response, (error) => {
      if (error !== undefined || !BEGINNINGS.has(path)) return next(error)
      clientLimits.unfinished(request, response, next)
    })
  }

  const requests = new RequestLog(log)
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  // Should the handler of errors fail itself, Express sends no stack trace.
  app.set('env', 'production')
  app.set('query parser', 'simple')
  app.set('trust proxy', [...dependencies.trustProxy])

  app.use(failedAhead)
  app.use((request, response, next) => {
    response.set('X-Request-Id', requests.begin(request, response))
    next()
  })
  app.use(securityHeaders(issuer))
  app.use(sound)
  app.use(deadline(30_000))

  // Programs send no cookie and see no page: their endpoints come before all that.
  app.use(limited)
  app.use(authorization.endpoints.serve)

  app.use(pages.assets)
  app.use(expectedHost(issuer, pages))
  app.use(sessionCookie)
  app.use(inOwnTurn)
  app.use(login)
  app.use(account)
  app.use(authorization.router)

  app.use(notFound)
  app.use(onError(pages, log))

  // Programs read no cookie and see no page: what serves them comes before all that.
  const api = apiHeaders(issuer)
  const identified =
    (fields: readonly string[]): LeanStep =>
    (request, response, next) => {
      response.common = ['X-Request-Id', requests.begin(request, response), ...fields]
      next()
    }
  const isDirect = dependencies.trustProxy.length === 0
  const address = isDirect ? directAddress : forwardedAddress(app)
  const lanes: Lane[] = [
    {
      match: (target) => rawTarget(target) !== undefined,
      steps: [address, identified([...api, ...CROSS_ORIGIN]), sound, files],
    },
  ]
  // Behind a proxy, only Express knows the address of the client.
  if (isDirect) {
    const { match, serve } = authorization.endpoints
    lanes.unshift({
      match,
      steps: [directAddress, identified(api), sound, deadline(30_000), limited, serve],
    })
  }
  return ahead(lanes, app)
}
