declare const parsed: unique symbol
/** Where a login may send the browser: a path of this origin, so that nobody borrows our name (RFC 9700 section 4.11.1). */
export type ReturnTo = string & { readonly [parsed]: 'ReturnTo' }

const HOME = '/account' as ReturnTo
const LENGTH_MAX = 16_384

/** path-absolute (RFC 3986 section 3.3) of one of our pages, and its query. No "//", no backslash, nothing to fold. */
const PAGE =
  /^\/(?:authorize|device|account|logout)(?:[/?](?![/\\])[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7e]*)?$/

/** What is not one of our pages leads home. */
export function returnTo(input: unknown): ReturnTo {
  if (typeof input !== 'string' || input.length > LENGTH_MAX || !PAGE.test(input)) return HOME
  return input as ReturnTo
}
