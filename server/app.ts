import type { RequestListener } from 'node:http'
import express, { type RequestHandler, type Router } from 'express'
import type { AuthorizationServer, Guard } from '../oauth/index.js'
import { deadline } from './deadline.js'
import { notFound, onError } from './failure.js'
import { failedAhead, filesAhead } from './files-ahead.js'
import { apiHeaders, securityHeaders } from './headers.js'
import { expectedHost } from './host.js'
import { type Log, requestLog } from './log.js'
import type { Site } from './site.js'

export interface AppDependencies {
  readonly site: Site
  readonly authorization: Pick<AuthorizationServer, 'endpoints' | 'router'>
  readonly files: Guard
  readonly login: Router
  readonly account: Router
  readonly sessionCookie: RequestHandler
  /** Failed client authentications are counted here. */
  readonly clientLimit: RequestHandler
  readonly log: Log
  readonly trustProxy: readonly string[]
}

/** Where clients authenticate with a secret (RFC 6749 section 2.3.1: against guessing). */
const CLIENT_ENDPOINTS = ['/token', '/revoke', '/introspect', '/par', '/device_authorization']

/** Everything a request goes through, in this order. */
export function createApp(dependencies: AppDependencies): RequestListener {
  const { site, authorization, files, login, account, sessionCookie, clientLimit, log } =
    dependencies
  const { issuer, pages } = site

  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  // Should the handler of errors fail itself, Express sends no stack trace.
  app.set('env', 'production')
  app.set('query parser', 'simple')
  app.set('trust proxy', [...dependencies.trustProxy])

  app.use(failedAhead)
  app.use(requestLog(log))
  app.use(securityHeaders(issuer))
  app.use(deadline(30_000))

  // Programs send no cookie and see no page: their endpoints come before all that.
  app.use(CLIENT_ENDPOINTS, clientLimit)
  app.use(authorization.endpoints)

  app.use(pages.assets)
  app.use(expectedHost(issuer, pages))
  app.use(sessionCookie)
  app.use(login)
  app.use(account)
  app.use(authorization.router)

  app.use(notFound)
  app.use(onError(pages, log))

  // The file API reads no cookie and no form: it comes before all that.
  return filesAhead([requestLog(log), apiHeaders(issuer), files], app)
}
