import { CommandError } from '../command-error.js'
import { messageOf } from '../error-of.js'
import type { Credentials } from '../http/api.js'
import { type Answer, type Exchange, ExchangeError, type Send } from '../http/exchange.js'
import { RemoteError } from '../remote-error.js'
import type { Account, AccountDirectory } from './account.js'
import { DpopKey, wantsProof } from './dpop.js'
import { withRefreshLock } from './refresh-lock.js'
import { Refused, requestTokens } from './token-endpoint.js'
import type { TokenStore, Tokens } from './tokens.js'

export interface SessionOptions {
  readonly account: Account
  readonly directory: AccountDirectory
  readonly store: TokenStore
  /** Without credentials. */
  readonly send: Send
  readonly clock: () => number
  /** Told when the login dies, when it is alive again, and when tokens cannot be kept. */
  readonly notice: (notice: SessionNotice) => void
}

export type SessionNotice =
  | { readonly kind: 'dead'; readonly message: string }
  | { readonly kind: 'alive' }
  | { readonly kind: 'unsaved'; readonly message: string }

type Sent = Pick<Exchange, 'method' | 'url'>
type CredentialFields = Readonly<Record<string, string>>

export type LoginState =
  | { readonly kind: 'alive'; readonly expiresAt: number }
  | { readonly kind: 'dead'; readonly message: string }
  | { readonly kind: 'none' }

/** Tokens are renewed when a third of their life is left, but not earlier than a minute before the end. */
const AHEAD_MILLISECONDS = 60_000
/** Pause between refreshes that failed in the background, and between looks into the store while the login is dead. */
const PAUSE_MILLISECONDS = 1_000

const OTHER_ACCOUNT =
  'somebody else has logged in since; unmount and mount again to go on as that account, or log in again as the one before'

/**
 * RFC 6749 section 5.2, RFC 8707 section 2. Whatever else comes, as from a gateway that has an `error` in its JSON, too, or about a
 * proof (RFC 9449 sections 5 and 8), says nothing of the login: the next try may do better.
 */
const ENDS_LOGIN: ReadonlySet<string> = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'access_denied',
  'invalid_target',
])

/** The login of one account in this process: access tokens that work, refreshed by one process at a time. */
export class Session implements Credentials {
  readonly #options: SessionOptions
  #tokens: Tokens | undefined
  #refreshing: Promise<Tokens> | undefined
  #dead: { tokens: Tokens | undefined; message: string; lookedAt: number } | undefined
  #failedAt = Number.NEGATIVE_INFINITY
  #unsaved = false
  /** Why the store gives nothing, as of then. */
  #outOfReach: { message: string; lookedAt: number } | undefined
  #loading: Promise<Tokens | undefined> | undefined
  #key: DpopKey | undefined
  /** Whose login this process began with. */
  #subject: string | undefined

  constructor(options: SessionOptions) {
    this.#options = options
  }

  get state(): LoginState {
    const message = this.#dead?.message ?? this.#outOfReach?.message
    if (message !== undefined) return { kind: 'dead', message }
    if (this.#tokens === undefined) return { kind: 'none' }
    return { kind: 'alive', expiresAt: this.#tokens.expiresAt }
  }

  async headers(exchange: Sent): Promise<CredentialFields> {
    return this.#fields(await this.#usable(), exchange)
  }

  /** After a 401: the tokens others have got meanwhile, or new ones. */
  async renewed(
    refused: CredentialFields,
    exchange: Sent,
    answer: Answer,
  ): Promise<CredentialFields> {
    if (this.#dead !== undefined) return this.#fields(await this.#revived(), exchange)
    const current = this.#tokens
    if (current !== undefined) {
      this.#keyOf(current)?.learn(exchange.url, answer.headers)
      if (wantsProof(answer) || authorization(current) !== refused.authorization) {
        return this.#fields(current, exchange)
      }
    }
    return this.#fields(await this.#refresh(current), exchange)
  }

  /** The next nonce comes with an answer before the last one is stale (RFC 9449 section 8.2). */
  heard({ url }: Sent, headers: Answer['headers']): void {
    if (headers['dpop-nonce'] === undefined || this.#tokens === undefined) return
    this.#keyOf(this.#tokens)?.learn(url, headers)
  }

  /** RFC 6750 section 2.1, RFC 9449 section 7.1 */
  #fields(tokens: Tokens, { method, url }: Sent): CredentialFields {
    const { access_token } = tokens
    const key = this.#keyOf(tokens)
    return {
      authorization: authorization(tokens),
      ...(key === undefined ? {} : { dpop: key.proof({ method, url, access_token }) }),
    }
  }

  #keyOf({ dpopKey }: Tokens): DpopKey | undefined {
    if (dpopKey === undefined) return undefined
    if (this.#key?.privateJwk.d !== dpopKey.d) this.#key = new DpopKey(dpopKey, this.#options.clock)
    return this.#key
  }

  async #usable(): Promise<Tokens> {
    if (this.#dead !== undefined) return this.#revived()
    this.#tokens ??= await this.#loaded()
    const tokens = this.#tokens
    if (tokens === undefined) return this.#die(undefined, 'nobody is logged in')
    const lifetime = tokens.expiresAt - tokens.issuedAt
    const left = tokens.expiresAt - this.#now
    if (left > Math.min(AHEAD_MILLISECONDS, lifetime / 3)) return tokens
    if (left <= Math.min(2_000, lifetime / 5)) return this.#refresh(tokens)
    // Still good: others need not wait for its successor.
    if (!this.#isJustNow(this.#failedAt)) {
      this.#refresh(tokens).catch(() => {
        this.#failedAt = this.#now
      })
    }
    return tokens
  }

  #refresh(old: Tokens | undefined): Promise<Tokens> {
    this.#refreshing ??= this.#refreshOnce(old).finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #refreshOnce(old: Tokens | undefined): Promise<Tokens> {
    const tokens = await withRefreshLock(this.#options.directory, async () => {
      const stored = await this.#stored()
      if (!this.#unsaved && stored !== undefined && isNewer(stored, old, this.#now)) return stored
      const latest = this.#unsaved ? old : stored
      const refresh_token = latest?.refresh_token
      if (refresh_token === undefined) return this.#die(latest, 'the login is over')
      try {
        return await this.#redeem(latest, refresh_token)
      } catch (error) {
        throw this.#failure(error, latest)
      }
    })
    this.#tokens = tokens
    return tokens
  }

  async #redeem(latest: Tokens | undefined, refresh_token: string): Promise<Tokens> {
    const { account, send, store } = this.#options
    const grant = { grant_type: 'refresh_token', refresh_token, resource: account.resource }
    const key = latest === undefined ? undefined : this.#keyOf(latest)
    const fresh = await requestTokens({ send, endpoint: account, grant, now: this.#now, key })
    // A server that does not rotate leaves the refresh token as it is (RFC 6749 section 6); an ID token need not come
    // again (OpenID Connect Core section 12.2).
    const subject = fresh.subject ?? latest?.subject
    const tokens = { refresh_token, ...fresh, ...(subject === undefined ? {} : { subject }) }
    try {
      await store.save(tokens)
      this.#unsaved = false
    } catch (error) {
      this.#unsaved = true
      const why = messageOf(error)
      this.#options.notice({
        kind: 'unsaved',
        message: `the renewed login cannot be kept in ${store.place} (${why}); other processes may have to log in again`,
      })
    }
    return tokens
  }

  #failure(error: unknown, tokens: Tokens | undefined): unknown {
    if (error instanceof Refused) {
      return ENDS_LOGIN.has(error.error)
        ? this.#dying(tokens, `the server ended the login (${error.message})`)
        : new ExchangeError('unreachable', error.message, { cause: error })
    }
    // Whatever became of the refresh, the file request itself was not sent.
    if (error instanceof ExchangeError && error.kind === 'lost') {
      return new ExchangeError('unreachable', error.message, { cause: error })
    }
    return error
  }

  /** There is a new login in the store, as another process says: whoever asks next need not wait for the pause to be over. */
  lookAgain(): void {
    if (this.#dead !== undefined) this.#dead.lookedAt = Number.NEGATIVE_INFINITY
    if (this.#outOfReach !== undefined) this.#outOfReach.lookedAt = Number.NEGATIVE_INFINITY
  }

  /** A new login in the store brings the session back to life; nothing else does. */
  async #revived(): Promise<Tokens> {
    const dead = this.#dead
    if (dead === undefined) return this.#usable()
    if (this.#isJustNow(dead.lookedAt)) throw deadLogin(dead.message)
    dead.lookedAt = this.#now
    const stored = await this.#stored()
    if (stored === undefined || stored.refresh_token === dead.tokens?.refresh_token) {
      throw deadLogin(dead.message)
    }
    this.#dead = undefined
    this.#tokens = stored
    this.#unsaved = false
    this.#options.notice({ kind: 'alive' })
    return this.#usable()
  }

  /** One look is enough for all who ask at a time. */
  #loaded(): Promise<Tokens | undefined> {
    this.#loading ??= this.#stored().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  /** A keyring may be locked, or gone, and be back later. For its password somebody is asked once, and not at each look. */
  async #stored(): Promise<Tokens | undefined> {
    const { store, notice } = this.#options
    const last = this.#outOfReach
    if (last !== undefined && this.#isJustNow(last.lookedAt)) {
      throw deadLogin(last.message)
    }
    try {
      const tokens = this.#ours(await store.load(last === undefined))
      if (this.#outOfReach !== undefined) notice({ kind: 'alive' })
      this.#outOfReach = undefined
      return tokens
    } catch (cause) {
      const message = messageOf(cause)
      if (this.#outOfReach === undefined) notice({ kind: 'dead', message })
      this.#outOfReach = { message, lookedAt: this.#now }
      throw new RemoteError('EACCES', message, { cause })
    }
  }

  /** What was opened and written as one account must not go on as another. */
  #ours(tokens: Tokens | undefined): Tokens | undefined {
    const subject = tokens?.subject
    if (subject !== undefined && subject !== (this.#subject ?? subject)) {
      throw new CommandError(OTHER_ACCOUNT)
    }
    this.#subject ??= subject
    return tokens
  }

  #die(tokens: Tokens | undefined, why: string): never {
    throw this.#dying(tokens, why)
  }

  #dying(tokens: Tokens | undefined, why: string): RemoteError {
    const message = `${why}; run: coffer login ${this.#options.account.server}`
    this.#dead = { tokens, message, lookedAt: this.#now }
    this.#tokens = undefined
    this.#options.notice({ kind: 'dead', message })
    return deadLogin(message)
  }

  /** A machine that starts with a wrong clock may set it back by years later on. */
  #isJustNow(at: number): boolean {
    return Math.abs(this.#now - at) < PAUSE_MILLISECONDS
  }

  get #now(): number {
    return this.#options.clock()
  }
}

function authorization({ token_type, access_token }: Tokens): string {
  return `${token_type} ${access_token}`
}

/** What another process has put into the store meanwhile, if it is worth using. */
function isNewer(stored: Tokens, old: Tokens | undefined, now: number): boolean {
  return stored.access_token !== old?.access_token && stored.expiresAt > now
}

function deadLogin(message: string): RemoteError {
  return new RemoteError('EACCES', message)
}
