import { bodyIsHere, type Middleware } from '../../oauth/index.js'

const NOW = Promise.resolve()

/**
 * Forms are small: a body that has not arrived by then belongs to somebody who keeps connections open on purpose. Uploads
 * of files are not held to this; they may take hours over a slow line and are cut only when nothing moves at all.
 */
export function deadline(milliseconds: number): Middleware {
  return (request, response, next) => {
    if (request.complete || request.method === 'GET' || request.method === 'HEAD') {
      next()
      return
    }
    // Most bodies come with their header, and are here by the end of this turn. Node makes more of a queueMicrotask.
    void NOW.then(() => {
      if (bodyIsHere(request) || response.destroyed) return
      const timer = setTimeout(() => {
        if (!request.complete) request.destroy()
      }, milliseconds).unref()
      request.once('end', () => clearTimeout(timer))
      response.once('close', () => clearTimeout(timer))
    })
    next()
  }
}
