import type { Request, RequestHandler, Response } from 'express'
import { ipKeyGenerator, type Options, rateLimit } from 'express-rate-limit'
import { type Middleware, OAuthError, type ServedRequest } from '../../oauth/index.js'
import type { AuditRecord } from '../database/accounts/audit.js'
import type { LimitStore } from '../database/accounts/limits.js'
import { unlessFull } from '../database/full-disk.js'
import { address } from './address.js'

const MINUTE = 60_000

/** Too many failures: status 429, with when to come back. */
export class TooMany extends Error {
  override readonly name = 'TooMany'
  readonly status = 429
  readonly retryAfterSeconds: number

  constructor(what: string, retryAfterSeconds: number) {
    super(`${what}: try again in ${describeWait(retryAfterSeconds)}.`)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

export interface Limits {
  /** Failed logins, of one address and of one account. */
  readonly login: readonly RequestHandler[]
  /** Failed client authentications, and tokens and codes that are no good, of one address. */
  readonly clients: Middleware
  /** Authorizations begun without a user, of one address: what they leave in the store is bounded (RFC 9126 section 2.3). */
  readonly unfinished: Middleware
}

export interface LimitOptions {
  readonly store: (prefix: string) => LimitStore
  readonly loginFailures: number
  readonly tokenFailures: number
  readonly unfinishedRequests: number
  /** Told once in a window that somebody is refused. */
  readonly audit: (record: AuditRecord) => void
  readonly subjectOf: (username: string) => string | undefined
  /** Who was let in from here before is not locked out by others' guesses at the account. */
  readonly knows: (username: string, address: string) => boolean
}

/**
 * Only failures count. An account as such takes more of them than one address may have, so that one attacker alone cannot
 * lock its owner out; many can, but not from where the owner already is.
 */
export function limits(dependencies: LimitOptions): Limits {
  const { store, loginFailures, tokenFailures, unfinishedRequests, knows } = dependencies
  const noted = store('noted')
  noted.init({ windowMs: 15 * MINUTE })

  /** One event for a window and a key: a flood of requests must not become one of the audit log. */
  function note(request: ServedRequest, prefix: string, key: string, detail: string): void {
    const counted = unlessFull(() => noted.increment(`${prefix} ${key}`))
    if (counted === undefined || counted.totalHits > 1) return
    const subject = prefix === 'account' ? dependencies.subjectOf(key) : undefined
    const event = prefix === 'account' ? 'login.limited' : `${prefix}.limited`
    dependencies.audit({ event, outcome: 'failure', subject, address: address(request), detail })
  }

  const limit = (
    prefix: string,
    what: string,
    error: (message: string, seconds: number) => Error,
    options: Partial<Options> & { readonly key?: (request: Request) => string },
  ): RequestHandler => {
    const { key = addressKey, ...rest } = options
    return rateLimit({
      store: store(prefix),
      standardHeaders: false,
      legacyHeaders: false,
      keyGenerator: key,
      validate: false,
      handler: (request, _response, next) => {
        const resetTime = (request as Request & { rateLimit?: { resetTime?: Date } }).rateLimit
          ?.resetTime
        const wait = Math.max(1, Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1000))
        note(request, prefix, key(request), what)
        next(error(what, wait))
      },
      ...rest,
    })
  }
  const page = (what: string, seconds: number) => new TooMany(what, seconds)
  return {
    login: [
      limit('login', 'Too many failed attempts from your address', page, {
        windowMs: 15 * MINUTE,
        skipSuccessfulRequests: true,
        limit: loginFailures,
        requestWasSuccessful: wasNoGuess,
      }),
      limit('account', 'Too many failed attempts for this account', page, {
        windowMs: 15 * MINUTE,
        skipSuccessfulRequests: true,
        limit: loginFailures * 4,
        requestWasSuccessful: wasNoGuess,
        key: accountKey,
        skip: (request) => knows(accountKey(request), address(request)),
      }),
    ],
    clients: clientLimit(store('client'), tokenFailures, note),
    unfinished: limit('unfinished', 'Too many requests from your address', protocolError, {
      windowMs: 5 * MINUTE,
      limit: unfinishedRequests,
      skipFailedRequests: true,
    }) as unknown as Middleware,
  }
}

/**
 * The same as express-rate-limit does, for endpoints that are asked thousands of times a second: nothing is waited for.
 * A request counts while it is under way, so that many at once cannot all pass, and stays counted where it was a guess. Where only
 * those under way are too many, as when all mounts behind one address come back at the same time, that is over in a moment.
 *
 * Where it cannot be counted it passes, unlike a login: on a full disk nobody but who has more addresses than are kept in memory
 * is not bounded then, and such a one hardly was; and mounts get the tokens that they go on with.
 */
function clientLimit(counters: LimitStore, most: number, note: Note): Middleware {
  const what = 'Too many failed requests from your address'
  const underWay = new Map<string, number>()
  counters.init({ windowMs: 5 * MINUTE })
  return (request, response, next) => {
    const key = networkKey(address(request))
    const counted = unlessFull(() => counters.increment(key))
    if (counted === undefined) return next()
    const { totalHits, resetTime } = counted
    const others = underWay.get(key) ?? 0
    underWay.set(key, others + 1)
    response.on('close', () => {
      const left = (underWay.get(key) ?? 1) - 1
      if (left > 0) underWay.set(key, left)
      else underWay.delete(key)
      const isGuess = response.statusCode === 401 || response.locals.refusal === 'invalid_grant'
      if (!isGuess || !response.writableEnded) counters.decrement(key)
    })
    if (totalHits <= most) return next()
    if (totalHits - others <= most) {
      return next(protocolError('Too many requests at the same time from your address', 1))
    }
    const wait = Math.max(1, Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1000))
    note(request, 'client', key, what)
    next(protocolError(what, wait))
  }
}

type Note = (request: ServedRequest, prefix: string, key: string, detail: string) => void

/** What programs are told, with when to come back; those in browsers, too, as the endpoints themselves do (CORS). */
function protocolError(what: string, seconds: number): OAuthError {
  return new OAuthError(
    'temporarily_unavailable',
    `${what}: come again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`,
    {
      status: 429,
      headers: {
        'Retry-After': String(seconds),
        'Access-Control-Allow-Origin': '*',
        'Access-Control-Expose-Headers': 'Retry-After',
      },
    },
  )
}

/** Marks the answer to a wrong password: nothing else is a guess, neither an old form nor a busy server. */
export function countAsGuess(response: Response): void {
  response.locals.guess = true
}

function wasNoGuess(_request: Request, response: Response): boolean {
  return response.locals.guess !== true
}

/** An IPv6 customer has a whole prefix: it counts as one address. */
function addressKey(request: Request): string {
  return networkKey(address(request))
}

function networkKey(from: string): string {
  return from.includes(':') ? ipKeyGenerator(from, 56) : from
}

function accountKey(request: Request): string {
  const username: unknown = request.body?.username
  return typeof username === 'string'
    ? username.normalize('NFKC').trim().toLowerCase().slice(0, 64)
    : ''
}

function describeWait(seconds: number): string {
  const minutes = Math.ceil(seconds / 60)
  return seconds < 90 ? `${seconds} seconds` : `${minutes} minutes`
}
