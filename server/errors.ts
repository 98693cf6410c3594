import type { FileErrorCode } from './wire/errors.js'

/** A file operation failed. `code` is for programs, `message` for people, `cause` only for the log. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code: FileErrorCode

  constructor(code: FileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A precondition of the request does not hold (RFC 9110 section 13): always status 412. */
export class PreconditionFailed extends Error {
  override readonly name = 'PreconditionFailed'
  /** EEXIST: it was to be new; ESTALE: it is no longer what the client saw. */
  readonly code: 'EEXIST' | 'ESTALE'

  constructor(code: 'EEXIST' | 'ESTALE', message: string) {
    super(message)
    this.code = code
  }
}

/** A form that is not one of our own pages', or too old: always status 403. The message is for the person. */
export class FormRefused extends Error {
  override readonly name = 'FormRefused'
  readonly status = 403
}
