import { currentNonce } from '../clients/dpop.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { setFields } from '../http/answer.js'
import { callOf } from '../http/call.js'
import type { Middleware } from '../http/middleware.js'
import { Parameters } from '../http/parameters.js'
import type { LiveToken, VerifiedTokens } from '../tokens/verified-tokens.js'
import { authenticate, noteUse, recognize } from './authenticate.js'

const NO_PARAMETERS = new Parameters([])

/** Guards a resource server: who is let through is in `response.locals.authenticated`. */
export function scopeGuard(context: Context, tokens: VerifiedTokens, scope: string): Middleware {
  const needed = { audiences: new Set([context.resource]), scope }
  return (request, response, next) => {
    const refuse = (error: unknown) => {
      if (error instanceof OAuthError) setFields(response, error.headers)
      next(error)
    }
    const admit = (live: LiveToken) => {
      response.locals.authenticated = live.authenticated
      noteUse(context, live, call.address)
      // The next nonce comes before it is needed (RFC 9449 section 8.2).
      if (live.claims.cnf !== undefined) response.setHeader('DPoP-Nonce', currentNonce(context))
      next()
    }
    const call = callOf(context, request, NO_PARAMETERS)
    let known: LiveToken | undefined
    try {
      known = recognize(context, tokens, call, request.socket, needed)
    } catch (error) {
      return refuse(error)
    }
    if (known !== undefined) return admit(known)
    authenticate(context, tokens, call, needed).then(admit, refuse)
  }
}
