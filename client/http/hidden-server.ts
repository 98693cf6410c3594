import type { IncomingHttpHeaders } from 'node:http'
import { HEADERS } from '../../server/wire/headers.js'
import { ExchangeError } from './exchange.js'

/** Network Authentication Required (RFC 6585 section 6): a portal wants somebody to log in to the network. */
const PORTAL = 511

/**
 * Whether an answer that is no error is none of the server's: a page that a proxy has for when the server is gone, or a portal leads to. The
 * server redirects nothing that a mount asks for, and has pages only as files.
 */
export function hidesServer(status: number, headers: IncomingHttpHeaders): boolean {
  if (status === PORTAL || (status >= 300 && status < 400)) return true
  if (status < 200 || status >= 400) return false
  const isPage = /^(?:text\/html|application\/xhtml\+xml)\b/i.test(headers['content-type'] ?? '')
  return isPage && headers[HEADERS.attributes.toLowerCase()] === undefined
}

/** Where such an answer is no answer. */
export function hiddenServer(host: string, status: number): ExchangeError {
  return new ExchangeError('unreachable', `${host}: something before the server answered ${status}`)
}
