import type { Request, RequestHandler, Response } from 'express'
import { ipKeyGenerator, type Options, rateLimit } from 'express-rate-limit'
import type { Guard } from '../oauth/index.js'
import type { LimitStore } from './database/limits.js'
import { address } from './sessions.js'

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
  /** Failed client authentications, of one address. */
  readonly clients: Guard
}

export interface LimitOptions {
  readonly store: (prefix: string) => LimitStore
  readonly loginFailures: number
  readonly tokenFailures: number
  /** Who was let in from here before is not locked out by others' guesses at the account. */
  readonly knows: (username: string, address: string) => Promise<boolean>
}

/**
 * Only failures count. An account as such takes more of them than one address may have, so that one attacker alone cannot
 * lock its owner out; many can, but not from where the owner already is.
 */
export function limits({ store, loginFailures, tokenFailures, knows }: LimitOptions): Limits {
  const failures = (prefix: string, what: string, options: Partial<Options>): RequestHandler =>
    rateLimit({
      store: store(prefix),
      skipSuccessfulRequests: true,
      standardHeaders: false,
      legacyHeaders: false,
      keyGenerator: addressKey,
      validate: false,
      handler: (request, _response, next) => {
        const resetTime = (request as Request & { rateLimit?: { resetTime?: Date } }).rateLimit
          ?.resetTime
        const wait = Math.max(1, Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1000))
        next(new TooMany(what, wait))
      },
      ...options,
    })
  return {
    login: [
      failures('login', 'Too many failed attempts from your address', {
        windowMs: 15 * MINUTE,
        limit: loginFailures,
        requestWasSuccessful: wasNoGuess,
      }),
      failures('account', 'Too many failed attempts for this account', {
        windowMs: 15 * MINUTE,
        limit: loginFailures * 4,
        requestWasSuccessful: wasNoGuess,
        keyGenerator: accountKey,
        skip: (request) => knows(accountKey(request), address(request)),
      }),
    ],
    // Of what Express adds to a request, it reads `ip` alone.
    clients: failures('client', 'Too many failed client authentications from your address', {
      windowMs: 5 * MINUTE,
      limit: tokenFailures,
      requestWasSuccessful: (_request, response) => response.statusCode !== 401,
    }) as unknown as Guard,
  }
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
  return ipKeyGenerator(address(request), 56)
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
