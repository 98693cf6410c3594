import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import { OAuthError } from '../../oauth/index.js'
import { TooMany } from '../accounts/limits.js'
import { PROBLEM_TYPE, problemOf } from '../api/exchange/problem.js'
import { FileError, FormRefused } from '../errors.js'
import { Refusal } from '../http/refusal.js'
import type { Log } from '../log.js'
import type { Pages } from '../site/pages.js'
import { wantsPage } from '../site/wants-page.js'
import { sentence } from '../site/words.js'
import { failure } from '../storage/failure.js'
import type { FileErrorCode } from '../wire/errors.js'

/** What the file API serves: its errors are problem details, whatever the client would accept. */
const FILE_API = /^(?:\*$|\/(?:files|inodes|totals|batch|changes|uploads)(?:[/?]|$))/

/** An error of the site, as a page or a problem says it. */
interface Failure {
  readonly status: number
  readonly title: string
  readonly message: string
  readonly fields: Readonly<Record<string, string>>
}

/** What is said of the errors that Express and its body parsers throw; their own messages are for programmers. */
const MESSAGES: Readonly<Record<number, string>> = {
  400: 'The request could not be understood.',
  404: 'There is nothing at this address.',
  405: 'This address does not take such requests.',
  408: 'The request took too long to arrive.',
  413: 'The request is too large.',
  415: 'The request has a form that is not understood here.',
  417: 'The request expects something that is not done here.',
}
const UNKNOWN = 'The server could not do this. Its log says why.'

export const notFound: RequestHandler = (request, _response, next) => {
  const isFileApi = FILE_API.test(request.originalUrl)
  const message = 'there is nothing at this address'
  next(
    isFileApi
      ? new FileError('ENOENT', message)
      : Object.assign(new Error(message), { status: 404 }),
  )
}

/** The one place where an error becomes an answer. */
export function onError(pages: Pages, log: Log): ErrorRequestHandler {
  // Express knows it for an error handler by its four parameters.
  return async (error: unknown, request, response, _next) => {
    const request_id: string | undefined = response.locals.requestId
    // A request whose body was refused on the way may have lost its socket; the response has it still. A response to what was sent
    // before the last answer had gone out whole has none yet; its request does.
    const socket: Socket | null = response.socket ?? request.socket
    const isGone = response.destroyed || socket?.destroyed !== false
    if (isGone || response.headersSent) {
      reportUnanswered(log, request, response, error)
      response.destroy()
      return
    }
    if (FILE_API.test(request.originalUrl)) {
      sendFileProblem(error, request, response, log)
      return
    }
    const failure = failureOf(error)
    report(log, failure.status, request, response, error)
    response.set({ 'Cache-Control': 'no-store', ...failure.fields }).status(failure.status)
    if (error instanceof OAuthError) {
      response.set(challenges(error)).json(error.body)
      return
    }
    if (!wantsPage(request)) {
      const { status, title, message: detail } = failure
      response
        .type(PROBLEM_TYPE)
        .send(JSON.stringify({ type: 'about:blank', title, status, detail, request_id }))
      return
    }
    const { status, title, message } = failure
    await pages.render(
      response,
      'error',
      { title, status },
      {
        status,
        message,
        request_id,
        error: undefined,
        link: status === 403 ? { href: '/account', text: 'Start again' } : undefined,
      },
    )
  }
}

function sendFileProblem(error: unknown, request: Request, response: Response, log: Log): void {
  const request_id: string | undefined = response.locals.requestId
  if (error instanceof OAuthError) {
    report(log, error.status, request, response, error)
    const { status, message: detail } = error
    const title = STATUS_CODES[status] ?? 'Error'
    const body = { type: 'about:blank', title, status, code: 'EACCES', detail, request_id }
    response.status(status).set(challenges(error)).type(PROBLEM_TYPE).send(JSON.stringify(body))
    return
  }
  const { status, fields, body } = problemOf(error, request_id)
  report(log, status, request, response, error)
  response.status(status).set(fields).type(PROBLEM_TYPE).send(JSON.stringify(body))
}

function failureOf(error: unknown): Failure {
  if (error instanceof FormRefused) {
    return { status: error.status, title: 'Please start again', message: error.message, fields: {} }
  }
  if (error instanceof TooMany) {
    const fields = { 'Retry-After': String(error.retryAfterSeconds) }
    return { status: error.status, title: 'Too many attempts', message: error.message, fields }
  }
  if (error instanceof OAuthError) {
    return { status: error.status, title: 'This did not work', message: error.message, fields: {} }
  }
  const disk = failureOfDisk(error)
  if (disk !== undefined) return disk
  const status = clientErrorOf(error) ?? 500
  const message = MESSAGES[status] ?? (status < 500 ? 'The request cannot be served.' : UNKNOWN)
  return { status, title: STATUS_CODES[status] ?? 'Error', message, fields: {} }
}

/** What of the disk a person can be told: it is no fault of theirs, and passes. */
const OF_THE_DISK: { readonly [code in FileErrorCode]?: number } = {
  ENOSPC: 507,
  EROFS: 503,
  EBUSY: 503,
}

function failureOfDisk(error: unknown): Failure | undefined {
  const told = failure(error)
  if (!(told instanceof FileError)) return undefined
  const status = OF_THE_DISK[told.code]
  if (status === undefined) return undefined
  return {
    status,
    title: STATUS_CODES[status] ?? 'Error',
    message: sentence(told.message),
    fields: {},
  }
}

/** The status that Express and its parsers put on what is the client's fault. */
function clientErrorOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('status' in error)) return undefined
  const { status } = error
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined
}

function challenges(error: OAuthError): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(error.headers).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : [...value],
    ]),
  )
}

/** How Node says that a connection ended. */
const DISCONNECTS = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'])

/**
 * An error that nobody can be told any more, since the client is gone or the answer had begun. That clients go away is their
 * own business; what failed here is logged all the same.
 */
function reportUnanswered(log: Log, request: Request, response: Response, error: unknown): void {
  const request_id: string | undefined = response.locals.requestId
  const status = clientErrorOf(error) ?? problemOf(error).status
  if (isDisconnect(error) || (status < 500 && !response.headersSent)) {
    log.debug({ request_id, err: error }, 'the client went away')
  } else if (status < 500) log.warn({ request_id, err: error }, 'the answer broke off')
  else report(log, status, request, response, error)
}

/** What has a status of 500 and more although it was the client that asked for what cannot be. */
function isOfTheClient(error: unknown): boolean {
  return error instanceof Refusal || (error instanceof FileError && error.code === 'EDQUOT')
}

function isDisconnect(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DISCONNECTS.has(String(error.code))
}

function report(
  log: Log,
  status: number,
  request: Request,
  response: Response,
  err: unknown,
): void {
  const context = {
    request_id: response.locals.requestId,
    method: request.method,
    path: request.originalUrl.split('?', 1)[0]?.slice(0, 300),
    // Express looks for the address at the socket.
    ...((request.socket as object | null) !== null && { address: request.ip }),
  }
  const reason = err instanceof Error ? err.message : 'unknown'
  if (status >= 500 && !isOfTheClient(err)) log.error({ ...context, err }, 'a request failed')
  else if (FILE_API.test(request.originalUrl)) log.debug({ ...context, status, reason }, 'refused')
  else log.info({ ...context, status, reason }, 'refused')
}
