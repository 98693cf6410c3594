import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { Store } from '../../oauth/index.js'
import { AccountError, newPassword } from '../accounts.js'
import type { SessionTable } from '../database/sessions.js'
import { Busy } from '../passwords.js'
import { address, type SignedIn } from '../sessions.js'
import type { Site } from '../site.js'
import { describeBrowser, describeScopes, describeTime } from '../words.js'
import { formBody, textField } from './login.js'

export interface AccountOptions {
  readonly grants: Pick<
    Store,
    'client' | 'grant' | 'grantsOf' | 'revokeGrant' | 'revokeGrantsOf' | 'revokeGrantsOfSession'
  >
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
export function accountRoutes(site: Site, { grants, browsers, limits }: AccountOptions): Router {
  const { accounts, sessions, pages, clock } = site

  async function show(
    request: Request,
    response: Response,
    session: SignedIn,
    outcome: { status: number; notice?: string | undefined; problem?: string },
  ): Promise<void> {
    const now = clock().getTime()
    const granted = await grants.grantsOf(session.sub, now)
    const clients = new Map(
      await Promise.all(
        [...new Set(granted.map(({ client_id }) => client_id))].map(
          async (id) => [id, (await grants.client(id))?.client_name ?? id] as const,
        ),
      ),
    )
    const options = { title: 'Your account', status: outcome.status, layout: 'wide' } as const
    await pages.render(response, 'account', options, {
      csrf_token: sessions.csrfToken(request),
      username: session.user.username,
      temporaryPassword: session.user.temporaryPassword,
      notice: outcome.notice,
      problem: outcome.problem,
      grants: granted.map((grant) => ({
        grantId: grant.grantId,
        client_name: clients.get(grant.client_id),
        abilities: describeScopes(grant.scope),
        lastUsed: describeTime(grant.lastUsedAt, now),
        created: describeTime(grant.createdAt, now),
        address: grant.lastUsedFrom,
      })),
      browsers: browsers.ofUser(session.sub, now).map((browser) => ({
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
    const grant = await grants.grant(textField(request.body?.grant))
    if (grant?.sub === session.sub) {
      await grants.revokeGrant(grant.grantId, clock().getTime())
      audit(request, session, 'grant_revoked', `${grant.client_id} ${grant.grantId}`)
    }
    done(response, 'revoked')
  })

  router.post('/account/revoke-all', formBody, async (request, response) => {
    const session = sessions.checkForm(request)
    const count = await grants.revokeGrantsOf(session.sub, clock().getTime())
    audit(request, session, 'grants_revoked', `${count}`)
    done(response, 'all-revoked')
  })

  router.post('/account/sign-out-others', formBody, async (request, response) => {
    const session = sessions.checkForm(request)
    const now = clock().getTime()
    const others = browsers.ofUser(session.sub, now).filter(({ id }) => id !== session.sid)
    browsers.endOthersOf(session.sub, session.sid)
    for (const { id } of others) await grants.revokeGrantsOfSession(id, now)
    audit(request, session, 'browsers_signed_out', `${others.length}`)
    done(response, 'signed-out')
  })

  router.post('/account/password', formBody, ...limits, async (request, response) => {
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
        const { sub: subject } = session
        const failed = { event: 'password_changed', outcome: 'failure', subject } as const
        site.audit({ ...failed, address: address(request) })
        return await refuse(403, 'The current password is not right. Nothing was changed.')
      }
      await accounts.changePassword(user.id, password, { temporary: false })
      await grants.revokeGrantsOf(user.id, clock().getTime())
      browsers.endAllOf(user.id)
      sessions.begin(request, user)
      audit(request, session, 'password_changed')
      done(response, 'password-changed')
    } catch (error) {
      if (error instanceof AccountError) await refuse(400, `${error.message}. Nothing was changed.`)
      else if (error instanceof Busy) await refuse(503, error.message)
      else throw error
    }
  })

  return router
}

function noticeOf(name: unknown): string | undefined {
  return typeof name === 'string' && Object.hasOwn(NOTICES, name)
    ? NOTICES[name as Notice]
    : undefined
}
