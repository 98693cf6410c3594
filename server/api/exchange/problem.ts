import { STATUS_CODES } from 'node:http'
import { FileError, PreconditionFailed } from '../../errors.js'
import { Refusal } from '../../http/refusal.js'
import { failure } from '../../storage/failure.js'
import { STATUS, type WireProblem } from '../../wire/errors.js'

/** An error as HTTP says it: the status, header fields beside the usual ones, and the body (RFC 9457). */
export interface Problem {
  readonly status: number
  readonly fields: Readonly<Record<string, string>>
  readonly body: WireProblem
}

/** Translates what the file routes throw, and what the disk did on their way. What else is not one of our errors is a 500 that tells the peer nothing. */
export function problemOf(thrown: unknown, request_id?: string): Problem {
  const error = failure(thrown)
  if (error instanceof PreconditionFailed) {
    return problem(412, error.code, error.message, request_id)
  }
  if (error instanceof Refusal) {
    return problem(error.status, error.code, error.message, request_id, error.fields)
  }
  if (error instanceof FileError) {
    return problem(STATUS[error.code], error.code, error.message, request_id)
  }
  return problem(500, 'EIO', 'The server could not do this. Its log says why.', request_id)
}

export const PROBLEM_TYPE = 'application/problem+json'

function problem(
  status: number,
  code: string,
  detail: string,
  request_id: string | undefined,
  fields: Readonly<Record<string, string>> = {},
): Problem {
  const title = STATUS_CODES[status] ?? 'Error'
  const body = { type: 'about:blank', title, status, code, detail }
  return {
    status,
    // 404, 405 and 410 may be cached unless told otherwise (RFC 9110 section 15.1)
    fields: { 'Cache-Control': 'no-store', ...fields },
    body: request_id === undefined ? body : { ...body, request_id },
  }
}
