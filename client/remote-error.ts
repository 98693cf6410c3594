import type { FileErrorCode } from '../server/wire/errors.js'

/**
 * The server refused, or could not be reached. `code` is an errno name: the server's own, or
 * EACCES (the login is dead), EIO (no answer within the limit; the answer made no sense).
 */
export class RemoteError extends Error {
  override readonly name = 'RemoteError'
  readonly code: FileErrorCode | 'EINTR' | 'ENXIO'
  /** The name of a change that may have been made all the same; `made` tells. */
  readonly change: string | undefined

  constructor(
    code: FileErrorCode | 'EINTR' | 'ENXIO',
    message: string,
    { change, ...options }: ErrorOptions & { readonly change?: string } = {},
  ) {
    super(message, options)
    this.code = code
    this.change = change
  }
}

/** Whether it is a refusal with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly RemoteError['code'][]): boolean {
  return error instanceof RemoteError && codes.includes(error.code)
}
