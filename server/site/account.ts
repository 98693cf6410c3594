import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { Grants } from '../../oauth/index.js'
import { AccountError, newPassword } from '../accounts/accounts.js'
import { address } from '../accounts/address.js'
import { countAsGuess } from '../accounts/limits.js'
import { Busy } from '../accounts/passwords.js'
import type { SignedIn } from '../accounts/sessions.js'
import type { SessionTable } from '../database/accounts/sessions.js'
import { noStore } from '../headers.js'
import { inOwnTurn } from '../turn.js'
import { formBody, textField } from './login.js'
import { only } from './only.js'
import type { Site } from './site.js'
import { describeBrowser, describeScopes, describeTime } from './words.js'

export interface AccountOptions {
  readonly grants: Grants
  /** Ends what a browser session was the only ground for. */
  readonly endSession: (sid: string) => Promise<unknown>
  /** Counts guesses at the current password. */
  readonly limits: readonly RequestHandler[]
  readonly browsers: Pick<SessionTable, 'ofUser' | 'endAllOf' | 'endOthersOf'>
}

/** What the page says after a form was done: named in the query, so that nobody else puts words in our mouth. */
const NOTICES = {
  revoked: 'Removed. It has no access from now on.',
  'all-revoked': 'All devices and applications were removed.',
  'signed-out': 'All other browsers were signed out.',
  'password-changed': 'Your password was changed. Everything else was signed out.',
} as const
type Notice = keyof typeof NOTICES

/** People see what they granted and who is signed in as them, and take it back. */
export function accountRoutes(site: Site, options: AccountOptions): Router {
  const { accounts, sessions, pages, clock } = site
  const { grants, browsers, limits } = options

  async function show(
    request: Request,
    response: Response,
    session: SignedIn,
    outcome: { status: number; notice?: string | undefined; problem?: string },
  ): Promise<void> {
    const now = clock().getTime()
    const granted = await grants.list(session.sub)
    const signedIn = browsers.ofUser(session.sub, now)
    const givenIn = ({ sid }: { readonly sid: string }) => {
      if (sid === session.sid) return 'here'
      return signedIn.some(({ id }) => id === sid) ? 'elsewhere' : 'gone'
    }
    const page = { title: 'Your account', status: outcome.status, layout: 'wide' } as const
    await pages.render(response, 'account', page, {
      csrf_token: sessions.csrfToken(request),
      username: session.user.username,
      temporaryPassword: session.user.temporaryPassword,
      notice: outcome.notice,
      problem: outcome.problem,
      grants: granted.map(({ grant, client_name }) => ({
        grantId: grant.grantId,
        client_name,
        deviceName: grant.deviceName,
        abilities: describeScopes(grant.scope, givenIn(grant)),
        lastUsed: describeTime(grant.lastUsedAt, now),
        created: describeTime(grant.createdAt, now),
        address: grant.lastUsedFrom,
      })),
      browsers: signedIn.map((browser) => ({
        name: describeBrowser(browser.userAgent),
        current: browser.id === session.sid,
        lastUsed: describeTime(browser.lastUsedAt, now),
        authTime: describeTime(browser.authTime, now),
        address: browser.address,
      })),
    })
  }

  function done(response: Response, notice: Notice): void {
    response.redirect(303, `/account?done=${notice}`)
  }

  function audit(request: Request, session: SignedIn, event: string, detail?: string): void {
    const { sub: subject } = session
    site.audit({ event, outcome: 'success', subject, address: address(request), detail })
  }

  const router = Router()
  router.use('/account', noStore)

  router.get('/', (_request, response) => response.redirect(303, '/account'))

  router.get('/account', async (request, response) => {
    const session = sessions.current(request)
    if (session === undefined) {
      response.redirect(303, '/login?return_to=/account')
      return
    }
    await show(request, response, session, { status: 200, notice: noticeOf(request.query.done) })
  })

  router.post('/account/revoke', formBody, async (request, response) => {
    const session = sessions.checkForm(request)
    await grants.revoke(session.sub, textField(request.body?.grant), address(request))
    done(response, 'revoked')
  })

  router.post('/account/revoke-all', formBody, async (request, response) => {
    const session = sessions.checkForm(request)
    await grants.revokeAll(session.sub, address(request))
    done(response, 'all-revoked')
  })

  router.post('/account/sign-out-others', formBody, async (request, response) => {
    const session = sessions.checkForm(request)
    const now = clock().getTime()
    const others = browsers.ofUser(session.sub, now).filter(({ id }) => id !== session.sid)
    browsers.endOthersOf(session.sub, session.sid)
    for (const { id } of others) await options.endSession(id)
    audit(request, session, 'browser.signOutOthers', `${others.length}`)
    done(response, 'signed-out')
  })

  router.post('/account/password', formBody, inOwnTurn, ...limits, async (request, response) => {
    const session = sessions.checkForm(request)
    const { current_password, new_password, repeated_password } = request.body
    const refuse = (status: number, problem: string) =>
      show(request, response, session, { status, problem })
    try {
      if (new_password !== repeated_password) {
        return await refuse(400, 'The two new passwords are not the same. Nothing was changed.')
      }
      const password = newPassword(textField(new_password))
      const user = await accounts.authenticate(session.user.username, textField(current_password))
      if (user === undefined) {
        countAsGuess(response)
        const { sub: subject } = session
        const failed = { event: 'password.change', outcome: 'failure', subject } as const
        site.audit({ ...failed, address: address(request) })
        return await refuse(403, 'The current password is not right. Nothing was changed.')
      }
      await accounts.changePassword(user.id, password, { temporary: false })
      await grants.revokeAll(user.id, address(request))
      browsers.endAllOf(user.id)
      await sessions.begin(request, user, clock().getTime())
      audit(request, session, 'password.change')
      done(response, 'password-changed')
    } catch (error) {
      if (error instanceof AccountError) await refuse(400, `${error.message}. Nothing was changed.`)
      else if (error instanceof Busy) await refuse(503, error.message)
      else throw error
    }
  })

  router.all(['/', '/account'], only('GET', 'HEAD'))
  router.all(
    ['revoke', 'revoke-all', 'sign-out-others', 'password'].map((name) => `/account/${name}`),
    only('POST'),
  )
  return router
}

function noticeOf(name: unknown): string | undefined {
  return typeof name === 'string' && Object.hasOwn(NOTICES, name)
    ? NOTICES[name as Notice]
    : undefined
}
