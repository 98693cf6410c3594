import { createHash, createHmac, randomBytes } from 'node:crypto'
import cookieSession from 'cookie-session'
import type { Request, RequestHandler } from 'express'
import type { BrowserSession } from '../../oauth/index.js'
import type { User } from '../database/accounts/accounts.js'
import type { SessionTable } from '../database/accounts/sessions.js'
import { FormRefused } from '../errors.js'
import type { Accounts } from './accounts.js'
import { address } from './address.js'
import { cookieKey } from './cookie-key.js'
import { equal } from './equal.js'

/** `__Host-`: secure, of this origin alone, for all paths (RFC 6265bis section 4.1.3.2). */
const COOKIE = '__Host-coffer'
const HOUR = 3_600_000
/** A session ends so long after the login, and after so long without use. */
const ABSOLUTE_MS = 24 * HOUR
const IDLE_MS = 8 * HOUR
/** Use is noted at most this often. */
const TOUCH_AFTER_MS = 60_000

/** The cookie: nothing but a random id, so that a copy of it is worthless once the session has ended here. */
export function sessionCookie(key: Buffer): RequestHandler {
  return cookieSession({
    name: COOKIE,
    keys: cookieKey(key),
    httpOnly: true,
    secure: true,
    sameSite: 'lax',
    path: '/',
  })
}

export interface SignedIn extends BrowserSession {
  readonly user: User
}

export interface SessionOptions {
  readonly table: SessionTable
  readonly accounts: Pick<Accounts, 'byId'>
  readonly csrfKey: Buffer
  readonly clock: () => Date
  /** The only origin our own forms come from. */
  readonly issuer: string
}

/** Browsers and who is signed in there. */
export interface Sessions {
  current(request: Request): SignedIn | undefined
  /**
   * Signs in: always under a new id, so that one planted before is worth nothing (session fixation).
   * What its user granted here before ends with the new session, and what somebody else did, who was signed in, ends now.
   * @param authTime when the password was found right: what has ended all sessions since then has ended this one, too
   * @returns how many grants of somebody else ended
   */
  begin(request: Request, user: User, authTime: number): Promise<number>
  end(request: Request): Promise<void>
  /** For forms, before and after the login. Belongs to this browser and to this session. */
  csrfToken(request: Request): string
  /** @throws FormRefused unless one of our own pages sent this form, in this browser */
  checkOrigin(request: Request): void
  checkToken(request: Request): void
  /** Both, and signed in. @throws FormRefused */
  checkForm(request: Request): SignedIn
}

export function sessions(options: SessionOptions): Sessions {
  const { table, accounts, csrfKey, clock, issuer } = options
  const now = () => clock().getTime()

  function cookieId(request: Request): string | undefined {
    const sid: unknown = request.session?.sid
    return typeof sid === 'string' && /^[\w-]{43}$/.test(sid) ? sid : undefined
  }

  function tokenOf(sid: string): string {
    return createHmac('sha256', csrfKey).update(sid).digest('base64url')
  }

  function csrfToken(request: Request): string {
    const present = cookieId(request)
    if (present !== undefined) return tokenOf(present)
    const sid = randomBytes(32).toString('base64url')
    request.session = { sid }
    return tokenOf(sid)
  }

  function current(request: Request): SignedIn | undefined {
    const sid = cookieId(request)
    if (sid === undefined) return undefined
    const stored = table.get(digest(sid), now())
    if (stored === undefined || now() - stored.lastUsedAt > IDLE_MS) return undefined
    const user = accounts.byId(stored.userId)
    if (user === undefined || user.disabledAt !== undefined) return undefined
    if (stored.authTime < user.validFrom) return undefined
    if (now() - stored.lastUsedAt > TOUCH_AFTER_MS) table.touch(stored.id, now(), address(request))
    return {
      sid: stored.id,
      sub: user.id,
      authTime: stored.authTime,
      csrfToken: tokenOf(sid),
      address: address(request),
      user,
    }
  }

  function checkOrigin(request: Request): void {
    const site = request.get('sec-fetch-site')
    const origin = request.get('origin')
    if (site !== undefined && site !== 'same-origin') {
      throw new FormRefused('This form was sent by another site. Nothing was done.')
    }
    // A browser that is set up to send no Referer writes "null" here for our own forms, too (Fetch section 3.2): then the
    // field before has to vouch for it, which no script can set.
    if (origin === 'null' && site === 'same-origin') return
    if (origin !== undefined && origin !== issuer) {
      throw new FormRefused(
        `This form was sent from ${origin}, but this server is ${issuer}: open it there.`,
      )
    }
  }

  function checkToken(request: Request): void {
    const sid = cookieId(request)
    const fields: unknown = request.body
    const sent =
      typeof fields === 'object' && fields !== null && 'csrf_token' in fields
        ? fields.csrf_token
        : undefined
    if (sid === undefined || typeof sent !== 'string' || !equal(sent, tokenOf(sid))) {
      throw new FormRefused(
        'This page was open for too long, or in a browser that refuses cookies.',
      )
    }
  }

  return {
    current,
    csrfToken,
    checkOrigin,
    checkToken,
    async begin(request, user, authTime) {
      const before = cookieId(request)
      const sid = randomBytes(32).toString('base64url')
      const at = now()
      const ended = await table.begin(
        {
          id: digest(sid),
          userId: user.id,
          authTime,
          lastUsedAt: at,
          expiresAt: at + ABSOLUTE_MS,
          address: address(request),
          userAgent: (request.get('user-agent') ?? '').slice(0, 300),
        },
        before === undefined ? undefined : digest(before),
      )
      request.session = { sid }
      return ended
    },
    async end(request) {
      const sid = cookieId(request)
      if (sid !== undefined) await table.end(digest(sid))
      request.session = null
    },
    checkForm(request) {
      checkOrigin(request)
      checkToken(request)
      const session = current(request)
      if (session !== undefined) return session
      throw new FormRefused('You are no longer signed in. Nothing was done.')
    },
  }
}

function digest(sid: string): string {
  return createHash('sha256').update(sid).digest('base64url')
}
