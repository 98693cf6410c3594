import { randomBytes } from 'node:crypto'
import pino, { type DestinationStream, type Logger, type SerializedError } from 'pino'
import type { ServedRequest, ServedResponse } from '../oauth/index.js'
import { censored } from './censored.js'
import type { Config } from './config.js'

export type Log = Logger

/**
 * Structured logs, one JSON object a line, on standard error. What people type or carry never gets in: no header, no body
 * and no query is logged, and the names under which secrets travel are censored wherever they turn up.
 */
export function openLog(
  level: Config['logLevel'],
  destination: DestinationStream = pino.destination({ fd: 2, sync: false }),
): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (entry) => censored(entry) },
      serializers: { err: namedError },
    },
    destination,
  )
}

/** The code of an error (ENOSPC …) is no secret, but that of an authorization is. */
function namedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code, ...told } = pino.stdSerializers.err(error) as SerializedError & { code?: unknown }
  return censored(code === undefined ? told : { ...told, error_code: code })
}

/** Gives every request an id, which error pages and problem details name, and logs how it ended. */
export class RequestLog {
  readonly #log: Log
  readonly #run = randomBytes(6).toString('base64url')
  #count = 0

  constructor(log: Log) {
    this.#log = log
  }

  /** @returns the id, which the answer names in X-Request-Id */
  begin(request: ServedRequest, response: ServedResponse): string {
    const requestId = `${this.#run}-${(++this.#count).toString(36)}`
    response.locals.requestId = requestId
    if (this.#log.isLevelEnabled('debug')) this.#logEnd(requestId, request, response)
    return requestId
  }

  #logEnd(requestId: string, request: ServedRequest, response: ServedResponse): void {
    const began = performance.now()
    response.once('close', () => {
      this.#log.debug(
        {
          request_id: requestId,
          method: request.method,
          path: request.originalUrl.split('?', 1)[0]?.slice(0, 300),
          status: response.statusCode,
          finished: response.writableFinished,
          milliseconds: Math.round(performance.now() - began),
          address: request.ip ?? request.socket.remoteAddress,
        },
        'request',
      )
    })
  }
}
