import type { ServedRequest } from './middleware.js'

/** An IPv4 address in the form people know, also on a socket of both families. */
export function addressOf(request: ServedRequest): string {
  const { ip = '' } = request
  return ip.startsWith('::') ? ip.replace(/^::ffff:(?=\d+\.)/i, '') : ip
}
