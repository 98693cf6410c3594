import { OAuthError } from '../../oauth/errors.js'

/** The error code with which something is refused; undefined if it is taken. */
export function errorCodeOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof OAuthError ? error.error : String(error)
  }
}
