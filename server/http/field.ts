import type { IncomingHttpHeaders } from 'node:http'

/** A field's value, whatever its case; several lines of it are one list (RFC 9110 section 5.3). */
export function field(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name.toLowerCase()]
  return Array.isArray(value) ? value.join(', ') : value
}
