import type { RequestListener } from 'node:http'
import type { Express, RequestHandler } from 'express'
import type { Guard } from '../oauth/index.js'
import { rawTarget } from './routes/target.js'

/**
 * Serves the file API ahead of Express: making a request and its answer Express's own costs more than serving a small file
 * does (a third of the time, measured). Everything else, and every error, is for Express.
 * @param steps in order; the last is the file API
 */
export function filesAhead(steps: readonly Guard[], app: Express): RequestListener {
  return (request, response) => {
    const { url = '' } = request
    if (rawTarget(url) === undefined) {
      app(request, response)
      return
    }
    const guarded = Object.assign(request, { originalUrl: url })
    const answered = Object.assign(response, { locals: {} as Record<string, unknown> })
    const run = (index: number): void => {
      steps[index]?.(guarded, answered, (error) => {
        if (error === undefined && index + 1 < steps.length) {
          run(index + 1)
          return
        }
        answered.locals.failure = error
        app(request, response)
      })
    }
    run(0)
  }
}

/** The first step of the app: what failed ahead of it goes straight to the error handler. */
export const failedAhead: RequestHandler = (_request, response, next) => {
  next(response.locals.failure)
}
