import type { RequestHandler } from 'express'

/** Comes after the routes of a page: what is here takes no other methods (RFC 9110 section 15.5.6). */
export function only(...methods: readonly string[]): RequestHandler {
  return (_request, response, next) => {
    response.set('Allow', methods.join(', '))
    next(Object.assign(new Error(`only ${methods.join(', ')}`), { status: 405 }))
  }
}
