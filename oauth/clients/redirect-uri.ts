/** Redirection endpoints (RFC 6749 section 3.1.2, RFC 8252 section 7, RFC 9700 section 2.1). */
import { OAuthError } from '../errors.js'

declare const registered: unique symbol
/** A redirection endpoint registered to the very client that asks. Only `registeredUri` makes one. */
export type RegisteredUri = string & { readonly [registered]: true }

/** Literals only: "localhost" may resolve to anything (RFC 8252 section 8.3). */
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\])(?::([1-9][0-9]{0,4}))?(?=[/?]|$)/

/** A private-use scheme is a reversed domain name, so it has a dot (RFC 8252 section 7.1). */
const PRIVATE_SCHEME = /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:\/(?!\/)/

/** Printable ASCII without what URL parsers bend: space, quotes, brackets of markup, backslash. */
const URI_CHARACTERS = /^[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+$/

/** The one of `uris` that is asked for: equal in every character, but for the port of a loopback address. */
export function registeredUri(asked: string, uris: readonly string[]): RegisteredUri | undefined {
  const matches = uris.some((uri) => uri === asked || equalButForPort(uri, asked))
  return matches ? (asked as RegisteredUri) : undefined
}

/** The one endpoint that is meant when the client names none; undefined when that is not certain. */
export function onlyUri(uris: readonly string[]): RegisteredUri | undefined {
  const [only, ...others] = uris
  if (only === undefined || others.length > 0 || LOOPBACK.test(only)) return undefined
  return only as RegisteredUri
}

/** RFC 8252 section 7.3: any port of a loopback address, chosen at the time of the request. */
function equalButForPort(uri: string, asked: string): boolean {
  const known = LOOPBACK.exec(uri)
  const given = LOOPBACK.exec(asked)
  if (known === null || given === null) return false
  if (Number(given[2] ?? 80) > 65535 || known[1] !== given[1]) return false
  return uri.slice(known[0].length) === asked.slice(given[0].length)
}

/** authority = host [ ":" port ], and it is there (RFC 9110 section 4.2.2); URL parsers take "https:host" for it, too. */
const HTTPS = /^https:\/\/[^/?]/

/** pct-encoded = "%" HEXDIG HEXDIG (RFC 3986 section 2.1) */
const HALF_ENCODED = /%(?![0-9A-Fa-f]{2})/

/** Refuses what must not be registered: relative, with a fragment, http beyond loopback, a scheme without a dot. */
export function assertRegistrable(uri: string): void {
  const refuse = (why: string): never => {
    throw new OAuthError('invalid_redirect_uri', `the redirect URI ${uri} ${why}`)
  }
  if (!URI_CHARACTERS.test(uri) || HALF_ENCODED.test(uri))
    refuse('has characters that a URI must percent-encode')
  if (!URL.canParse(uri)) refuse('is not absolute')
  if (uri.includes('#')) refuse('has a fragment')
  const { username, password } = new URL(uri)
  if (username !== '' || password !== '') refuse('has user information')
  if (HTTPS.test(uri) || LOOPBACK.test(uri) || PRIVATE_SCHEME.test(uri)) return
  refuse('must be https, http on 127.0.0.1 or [::1], or a private-use scheme with a dot')
}

export function isLoopback(uri: string): boolean {
  return LOOPBACK.test(uri)
}

/** Appends response parameters and keeps the query that was registered (RFC 6749 section 3.1.2). */
export function withParameters(
  uri: RegisteredUri,
  parameters: Readonly<Record<string, string | undefined>>,
): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.append(name, value)
  }
  if (query.size === 0) return uri
  return `${uri}${uri.includes('?') ? '&' : '?'}${query}`
}

/**
 * CSP source that lets a form's answer be redirected there. A host-source has no grammar for IPv6 literals and none for
 * private schemes (CSP level 3 section 2.3.1), so these get their scheme.
 */
export function formActionSource(uri: RegisteredUri): string {
  const { protocol, hostname, origin } = new URL(uri)
  return origin === 'null' || hostname.startsWith('[') ? protocol : origin
}

/** Where the answer goes, in words for people. */
export function destination(uri: RegisteredUri): string {
  if (isLoopback(uri)) return 'this computer'
  const { protocol, host } = new URL(uri)
  return protocol === 'https:' ? host : `the app ${protocol.slice(0, -1)}`
}
