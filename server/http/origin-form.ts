/** absolute-form = absolute-URI, which a server must take too (RFC 9112 section 3.2.2) */
const ABSOLUTE_FORM = /^https?:\/\/[^/?#]*/i

/** A request target as most clients send it: path and query, without the origin before them. */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target
  const rest = target.replace(ABSOLUTE_FORM, '')
  return rest === target || rest.startsWith('/') ? rest : `/${rest}`
}
