import { randomBytes } from 'node:crypto'
import pino, { type Logger } from 'pino'
import type { Guard } from '../oauth/index.js'
import type { Config } from './config.js'

export type Log = Logger

/**
 * Structured logs, one JSON object a line, on standard error. What people type or carry never gets in: no header, no body
 * and no query is logged, and the names under which secrets travel are censored wherever they turn up.
 */
export function openLog(level: Config['logLevel']): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: ['password', 'authorization', 'cookie', 'code', 'token', 'secret'].flatMap(
          (name) => [name, `*.${name}`, `*.*.${name}`],
        ),
        censor: '[secret]',
      },
    },
    pino.destination({ fd: 2, sync: false }),
  )
}

/** Gives every request an id, which error pages and problem details name, and logs how it ended. */
export function requestLog(log: Log): Guard {
  const run = randomBytes(6).toString('base64url')
  let count = 0
  return (request, response, next) => {
    const requestId = `${run}-${(++count).toString(36)}`
    const began = performance.now()
    response.locals.requestId = requestId
    response.setHeader('X-Request-Id', requestId)
    if (log.isLevelEnabled('debug')) {
      response.once('close', () => {
        log.debug(
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
    next()
  }
}
