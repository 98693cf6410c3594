import express, { type Request, type RequestHandler, type Response, Router } from 'express'
import { address } from '../accounts/address.js'
import { countAsGuess } from '../accounts/limits.js'
import { Busy } from '../accounts/passwords.js'
import { FormRefused } from '../errors.js'
import { noStore } from '../headers.js'
import { inOwnTurn, ownTurn } from '../turn.js'
import { only } from './only.js'
import { type ReturnTo, returnTo } from './return-to.js'
import type { Site } from './site.js'

export interface LoginOptions {
  /** Counts failed attempts and refuses when there were too many. */
  readonly limits: readonly RequestHandler[]
  /** Where the answer to the form may end up by redirects, for the page's policy. */
  formAction(returnTo: ReturnTo): readonly string[]
}

const WRONG = 'The user name or the password is not right.'

/** Signing in: one form. A second step (a passkey, a code) would come between the password and `sessions.begin`. */
export function loginRoutes(site: Site, { limits, formAction }: LoginOptions): Router {
  const { accounts, sessions, pages } = site

  async function show(
    request: Request,
    response: Response,
    page: {
      status: number
      to: ReturnTo
      reauthenticate: boolean
      username: string
      problem?: string
    },
  ): Promise<void> {
    const { status, to, reauthenticate, username, problem } = page
    await pages.render(
      response,
      'login',
      { title: 'Sign in', status, formAction: formAction(to) },
      {
        csrf_token: sessions.csrfToken(request),
        fields: { return_to: to, ...(reauthenticate ? { reauthenticate: '1' } : {}) },
        lead: reauthenticate
          ? 'Please confirm that it is you.'
          : 'With the account you have on this server.',
        username,
        problem,
      },
    )
  }

  const router = Router()
  router.use('/login', noStore)

  router.get('/login', async (request, response) => {
    const { return_to, reauthenticate, login_hint } = request.query
    const session = sessions.current(request)
    const to = returnTo(return_to)
    if (session !== undefined && reauthenticate !== '1') {
      response.redirect(303, to)
      return
    }
    await show(request, response, {
      status: 200,
      to,
      reauthenticate: session !== undefined,
      username: session?.user.username ?? textField(login_hint).slice(0, 64),
    })
  })

  router.post('/login', formBody, inOwnTurn, ...limits, inOwnTurn, async (request, response) => {
    const to = returnTo(request.body?.return_to)
    const username = textField(request.body?.username).slice(0, 64)
    const again = async (status: number, problem: string) =>
      show(request, response, {
        status,
        to,
        reauthenticate: request.body?.reauthenticate === '1',
        username,
        problem,
      })

    sessions.checkOrigin(request)
    try {
      sessions.checkToken(request)
    } catch (error) {
      if (!(error instanceof FormRefused)) throw error
      // Signed in by another tab meanwhile: this one may go on.
      if (sessions.current(request) !== undefined && request.body?.reauthenticate !== '1') {
        response.redirect(303, to)
        return
      }
      await again(403, `${error.message} Please try again.`)
      return
    }
    try {
      const user = await accounts.authenticate(username, textField(request.body?.password))
      if (user === undefined) countAsGuess(response)
      const authTime = site.clock().getTime()
      await ownTurn()
      const known = user ?? accounts.lookup(username)
      site.audit({
        event: 'login',
        outcome: user === undefined ? 'failure' : 'success',
        subject: known?.id,
        address: address(request),
        detail: known === undefined ? 'unknown user name' : undefined,
      })
      if (user === undefined) {
        await again(403, WRONG)
        return
      }
      await ownTurn()
      const former = sessions.current(request)
      const ended = await sessions.begin(request, user, authTime)
      if (ended > 0 || (former !== undefined && former.sub !== user.id)) {
        site.audit({
          event: 'logout',
          outcome: 'success',
          subject: former?.sub,
          address: address(request),
          detail: `${ended} grants ended, as somebody else signed in`,
        })
      }
      response.redirect(303, to)
    } catch (error) {
      if (!(error instanceof Busy)) throw error
      response.set('Retry-After', String(error.retryAfterSeconds))
      await again(503, error.message)
    }
  })

  router.all('/login', only('GET', 'HEAD', 'POST'))
  return router
}

/** Small forms, one value a field. */
export const formBody: RequestHandler = express.urlencoded({
  extended: false,
  limit: '32kb',
  parameterLimit: 50,
})

export function textField(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
