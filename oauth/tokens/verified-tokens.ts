/** What is remembered of access tokens that were verified (RFC 9068 section 4), so that most requests look nothing up. */

import type { Context } from '../context.js'
import { digestOf } from '../secrets.js'
import type { AccountClaims, Authenticated, Client, Digest, Grant } from '../types.js'
import { type AccessTokenClaims, verifyAccessToken } from './access-token.js'

const CACHE_MAX = 10_000

/** A token that counts at this moment. */
export interface LiveToken {
  readonly claims: AccessTokenClaims
  readonly client: Client
  /** As it was when it was looked up: when it was last used may be later by now. */
  readonly grant: Grant | undefined
  readonly account: AccountClaims | undefined
  readonly authenticated: Authenticated
}

interface Verified {
  readonly claims: AccessTokenClaims
  found?: Found
}

/** What was found of a token: so as long as the epoch is the same and its time is not over. */
interface Found {
  readonly live: LiveToken
  readonly epoch: number
  readonly until: number
}

/** Tokens whose signature was verified, by their digest. That can never change; revocation and expiry are looked at anew. */
export class VerifiedTokens {
  readonly #verified = new Map<Digest, Verified>()
  /** The Authorization field each connection sent last, and the bearer token in it. */
  readonly #shown = new WeakMap<object, { readonly field: string; readonly verified: Verified }>()

  /** What counted before and still does; undefined when that has to be looked up. */
  recall(context: Context, token: string): LiveToken | undefined {
    return counting(context, this.#verified.get(digestOf(token))?.found)
  }

  /**
   * The same for the field that came last on this connection: most requests show what the one before them did. A guess is compared
   * with nothing that others have shown elsewhere.
   */
  recallShown(context: Context, connection: object, field: string): LiveToken | undefined {
    const shown = this.#shown.get(connection)
    return shown?.field === field ? counting(context, shown.verified.found) : undefined
  }

  /** Remembers a field with a bearer token that counts. */
  noteShown(connection: object, field: string, token: string): void {
    const verified = this.#verified.get(digestOf(token))
    if (verified !== undefined) this.#shown.set(connection, { field, verified })
  }

  async verify(context: Context, token: string): Promise<Verified | undefined> {
    const digest = digestOf(token)
    const known = this.#verified.get(digest)
    if (known !== undefined) return known.claims.exp * 1000 > context.now() ? known : undefined
    const claims = await verifyAccessToken(context, token)
    if (claims === undefined) return undefined
    const [oldest] = this.#verified.keys()
    if (this.#verified.size >= CACHE_MAX && oldest !== undefined) this.#verified.delete(oldest)
    const verified = { claims }
    this.#verified.set(digest, verified)
    return verified
  }
}

function counting(context: Context, found: Found | undefined): LiveToken | undefined {
  if (found === undefined || found.epoch !== context.epoch()) return undefined
  return found.until > context.now() ? found.live : undefined
}
