import type { RequestHandler } from 'express'
import type { Pages } from './pages.js'
import { wantsPage } from './wants-page.js'

/** Where people come with a browser. */
const PAGES = /^\/(?:login|account|authorize|device|logout)?(?:[/?]|$)/

/**
 * Cookies and forms belong to one origin, the issuer. Who comes by another name would only see a login that never works, so
 * this says what is the matter. Nothing is ever made from the Host field but this sentence.
 */
export function expectedHost(issuer: string, pages: Pages): RequestHandler {
  const expected = new URL(issuer)
  return async (request, response, next) => {
    const used = `https://${request.headers.host ?? ''}`
    if (
      request.method !== 'GET' ||
      !PAGES.test(request.path) ||
      !wantsPage(request) ||
      (URL.canParse(used) && new URL(used).host === expected.host)
    ) {
      next()
      return
    }
    await pages.render(
      response,
      'error',
      { title: 'Another name', status: 421 },
      {
        status: 421,
        message: `You came here as ${used}, but this server is set up as ${issuer}. Whoever runs it can change that: COFFER_ISSUER must be the address that people use.`,
        error: undefined,
        link: {
          href: issuer + pathOf(request.originalUrl),
          text: `Go to ${expected.host}`,
        },
        request_id: response.locals.requestId,
      },
    )
  }
}

/** The path to link to; a client may also send a whole URL as its target (RFC 9112 section 3.2.2). */
function pathOf(target: string): string {
  return target.startsWith('/') ? target.replace(/^\/+/, '/') : '/'
}
