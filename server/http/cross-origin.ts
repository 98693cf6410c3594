/**
 * What lets applications in browsers, of origins that nobody registers, use the files (CORS, Fetch section 3.3), as they do the endpoints
 * that they have their tokens from. No cookie is looked at here, so a page gets nothing that it could not get without the browser.
 * Names and values by turns.
 */
export const CROSS_ORIGIN: readonly string[] = [
  ...['Access-Control-Allow-Origin', '*'],
  ...['Access-Control-Expose-Headers', '*'],
]

/** What is said before they send anything but a simple request; `*` leaves Authorization out (Fetch section 4.9). */
export function preflight(methods: string): Readonly<Record<string, string>> {
  return {
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Allow-Headers': 'Authorization, *',
    'Access-Control-Max-Age': '3600',
  }
}
