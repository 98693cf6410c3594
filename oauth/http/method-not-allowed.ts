import { OAuthError } from '../errors.js'

/** RFC 9110 section 15.5.6 */
export function methodNotAllowed(methods: Readonly<Record<string, unknown>>): OAuthError {
  const allowed = [...Object.keys(methods), ...('GET' in methods ? ['HEAD'] : [])].join(', ')
  return new OAuthError('invalid_request', `the method is not allowed; use ${allowed}`, {
    status: 405,
    headers: { Allow: allowed },
  })
}
