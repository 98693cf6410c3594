import type { IncomingMessage, RequestListener } from 'node:http'
import express, { type Express, type RequestHandler } from 'express'
import type { Middleware, ServedRequest } from '../../oauth/index.js'
import type { LeanResponse } from '../connections/lean-response.js'
import { inTurn } from '../connections/pipeline.js'
import { originForm } from '../http/origin-form.js'
import { ownTurn } from '../turn.js'

/** What is served ahead of Express. */
export interface Lane {
  /** Whether a request's target belongs here. */
  match(target: string): boolean
  /** In order; the last answers. */
  readonly steps: readonly LeanStep[]
}

/** A step of a lane; every Middleware is one. */
export type LeanStep = (
  request: ServedRequest,
  response: LeanResponse,
  next: (error?: unknown) => void,
) => void

export type LeanListener = RequestListener<typeof IncomingMessage, typeof LeanResponse>

/**
 * Serves what programs ask for ahead of Express: making a request and its answer Express's own costs more than serving a
 * small file or a token does (a third of the time, measured). Everything else, and every error, is for Express; a page takes longer
 * than what programs ask for, which does not wait for all of one.
 */
export function ahead(lanes: readonly Lane[], app: Express): LeanListener {
  return inTurn<LeanResponse>((request, response) => {
    const url = originForm(request.url ?? '')
    request.url = url
    const steps = lanes.find((lane) => lane.match(url))?.steps
    if (steps === undefined) {
      // Asked now, Node knows it when the connection is gone by then, too: failures count by it.
      void request.socket.remoteAddress
      void ownTurn().then(() => app(request, response))
      return
    }
    const served: IncomingMessage & { originalUrl: string } = request as ServedRequest
    served.originalUrl = url
    const end = (failure: unknown): void => {
      response.locals.failure = failure
      response.tableCommon()
      app(request, response)
    }
    const run = (index: number): void => {
      try {
        steps[index]?.(served, response, (error) => {
          if (error === undefined && index + 1 < steps.length) run(index + 1)
          else end(error)
        })
      } catch (failure) {
        end(failure) // nobody else would catch it, and the server would end
      }
    }
    run(0)
  })
}

/** A step that says where the request comes from; right only where no proxy stands before. */
export const directAddress: Middleware = (request, _response, next) => {
  const named: { ip?: string | undefined } = request
  named.ip = request.socket.remoteAddress
  next()
}

/** The same where proxies stand before, by the rule of Express and of what it was told to trust. */
export const forwardedAddress =
  (app: Express): Middleware =>
  (request, _response, next) => {
    const { headers, socket } = request
    const named: { ip?: string | undefined } = request
    named.ip = Reflect.get(express.request, 'ip', { app, headers, socket })
    next()
  }

/** The first step of the app: what failed ahead of it goes straight to the error handler. */
export const failedAhead: RequestHandler = (_request, response, next) => {
  next(response.locals.failure)
}
