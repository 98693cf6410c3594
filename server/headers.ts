import { IncomingMessage, ServerResponse } from 'node:http'
import { isIP, Socket } from 'node:net'
import type { RequestHandler } from 'express'
import helmet, { type HelmetOptions } from 'helmet'

const YEAR_SECONDS = 31_536_000

/** A host-source or scheme-source (CSP level 3 section 2.3.1); no delimiter gets through into the header. */
const SOURCE = /^(?:[a-z][a-z0-9+.-]*:|https?:\/\/[A-Za-z0-9.-]+(?::(?:\d{1,5}|\*))?)$/

/**
 * The policy of our pages: nothing but our own style sheet and icon, no script at all, never in a frame.
 * Browsers hold `form-action` against the redirects that follow a form too, so the address a consent is answered to must
 * be in it.
 */
export function pagePolicy(formAction: readonly string[] = []): string {
  const sources = formAction.filter((source) => SOURCE.test(source))
  return [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    `form-action ${["'self'", ...new Set(sources)].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')
}

/**
 * Header fields of every answer. HSTS only where the issuer has a name of its own: for "localhost" it would force HTTPS
 * on every other program of the machine.
 */
export function securityHeaders(issuer: string): RequestHandler {
  const fields = fieldsOf({
    contentSecurityPolicy: false,
    strictTransportSecurity: hasName(issuer)
      ? { maxAge: YEAR_SECONDS, includeSubDomains: false }
      : false,
    // Nobody else is told from where somebody comes. Under "no-referrer" our own forms would come from "null", too (Fetch
    // section 3.2), and a browser that sends no Sec-Fetch-Site, as Safari before 16.4, had nothing to vouch for them.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
    crossOriginEmbedderPolicy: false,
    crossOriginResourcePolicy: { policy: 'same-site' },
  })
  return (_request, response, next) => {
    for (const [name, value] of fields) response.setHeader(name, value)
    next()
  }
}

/** What helmet sets is the same for every answer: asked once, instead of its dozen of middlewares each time. */
function fieldsOf(options: HelmetOptions): [name: string, value: string][] {
  const fields: [string, string][] = []
  class Recorder extends ServerResponse {
    override setHeader(name: string, value: number | string | readonly string[]): this {
      fields.push([name, String(value)])
      return this
    }
  }
  const response = new Recorder(new IncomingMessage(new Socket()))
  helmet(options)(response.req, response, (error) => {
    if (error !== undefined) throw error
  })
  return fields
}

/** What the answers to programs need of it, names and values by turns: they are sent thousands of times a second. */
export function apiHeaders(issuer: string): readonly string[] {
  return [
    ...['X-Content-Type-Options', 'nosniff'],
    ...['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; sandbox"],
    ...(hasName(issuer) ? ['Strict-Transport-Security', `max-age=${YEAR_SECONDS}`] : []),
  ]
}

/** What is between the pages belongs to one person as much as they do. */
export const noStore: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store')
  next()
}

/** "localhost" and addresses are shared by every program of a machine. */
function hasName(issuer: string): boolean {
  const { hostname } = new URL(issuer)
  return hostname.includes('.') && isIP(hostname) === 0
}
