import type {
  AuthorizationCode,
  Client,
  DeviceAuthorization,
  Digest,
  Grant,
  Milliseconds,
  PushedRequest,
  PushedUse,
  RefreshToken,
  StoredKey,
} from './types.js'

/**
 * Where the authorization server keeps its state.
 *
 * Contract, tested by test/oauth/store-contract.ts against every implementation:
 * - Every method is atomic and linearizable, between processes too: of any number of calls racing for a single-use
 *   thing exactly one wins. What a method resolved with survives `kill -9`.
 * - What is single use is spent, and what replaces it written, in ONE step. Reading first and writing later is only done
 *   with what never changes (who a code belongs to, which challenge it carries).
 * - A revoked grant is dead for good: no method issues or redeems anything of it afterwards.
 * - Time comes in with every call; expired rows count as absent, whether or not a sweep has removed them.
 * - Secrets never come in, only their digests.
 */
export interface Store {
  /** The same object as before only where nothing of the client has changed. */
  client(client_id: string): Promise<Client | undefined>
  clients(): Promise<readonly Client[]>
  /** Inserts, or replaces the one of the same client_id. */
  saveClient(client: Client): Promise<void>
  /** The same, and forgets what was allowed it so far, in one step: its users know it as another one. */
  changeClient(client: Client): Promise<void>
  /** Removes the client and revokes its grants. False when there is none. */
  removeClient(client_id: string, at: Milliseconds): Promise<boolean>
  /** Notes when a client was used first. */
  noteClientUse(client_id: string, at: Milliseconds): Promise<void>
  /**
   * Removes at most `limit` clients that were registered dynamically before then and never used, unless they have a grant whose
   * code can still be redeemed; their client_ids.
   */
  removeUnusedClients(
    before: Milliseconds,
    limit: number,
    at: Milliseconds,
  ): Promise<readonly string[]>

  signingKeys(): Promise<readonly StoredKey[]>
  /**
   * Writes all keys in one step, unless another process has changed the set since `seen` (the kids it was decided
   * upon): then nothing is written and the answer is false.
   */
  replaceSigningKeys(seen: readonly string[], keys: readonly StoredKey[]): Promise<boolean>

  /**
   * Writes a grant and its code. With `spends`, a pushed request is spent in the same step, whether it is still kept or not: `spent`
   * when somebody was faster, and then nothing is written.
   */
  issueCode(
    grant: Grant,
    code: AuthorizationCode,
    spends: PushedUse | undefined,
  ): Promise<'issued' | 'spent'>
  authorizationCode(code: Digest, at: Milliseconds): Promise<CodeState>
  /** Spends the code and writes its first refresh token. A second time revokes the grant in the same step. */
  redeemCode(code: Digest, redemption: Redemption): Promise<CodeOutcome>

  /** A refresh token and the grant it belongs to, whether they still count or not. */
  refreshToken(token: Digest): Promise<StoredRefreshToken | undefined>
  /**
   * The same for who is about to rotate or renew it, which find out whether it still counts: of what is read here only that is
   * right which never changes (whose it is, what it allows, the key it is bound to).
   */
  refreshable(token: Digest): Promise<StoredRefreshToken | undefined>
  /**
   * Spends the refresh token, as it was read, and writes its successor. The same token again within the grace and with the same key is
   * `repeated` (the successor already stands, as of then); with another key it is `refused`, harming nothing. Again after the grace, with
   * the same key, and while nobody has used the successor: that is void, this one takes its place (`replaced`), and whoever uses the void
   * one reuses. All else after the grace is `reused`, and revokes the grant in the same step.
   */
  rotate(token: RefreshToken, rotation: Rotation): Promise<RotationOutcome>
  /** Uses a refresh token that stays, until `endsAt` at least; for clients whose tokens are not rotated. */
  renew(token: Digest, renewal: Renewal): Promise<RenewalOutcome>

  grant(grantId: string): Promise<Grant | undefined>
  /**
   * Notes when and from where a grant was used last, for people: the store writes it down within a minute, so that it costs a
   * request nothing, and a crash may lose it.
   */
  noteUse(grantId: string, at: Milliseconds, address: string): void
  /** The living grants of a user, newest first. */
  grantsOf(sub: string, at: Milliseconds): Promise<readonly Grant[]>
  /** False when there is none or it is dead already. */
  revokeGrant(grantId: string, at: Milliseconds): Promise<boolean>
  /** How many died. */
  revokeGrantsOf(sub: string, at: Milliseconds): Promise<number>
  /** Those of a browser session whose scope lacks offline_access. How many died. */
  revokeGrantsOfSession(sid: string, at: Milliseconds): Promise<number>

  revokeAccessToken(jti: string, expiresAt: Milliseconds): Promise<void>
  /** Whether an access token still counts; the grant of it, when it names one. */
  standing(jti: string, grantId: string | undefined, at: Milliseconds): Promise<Standing>

  /** What the user allowed the client before, space-separated; undefined when nothing. */
  consent(sub: string, client_id: string): Promise<string | undefined>
  /** False, and nothing is written, when the client has another name or other addresses by now than it had as it was read. */
  saveConsent(sub: string, client: Client, scope: string): Promise<boolean>
  /** What was allowed one client, or all: they have to ask again. */
  removeConsents(sub: string, client_id?: string): Promise<void>

  /**
   * True the first time, false ever after until it expires: proof and assertion ids. An identifier always comes with the same
   * time, one that is in what it identifies: a store may keep them in the order of it.
   */
  useOnce(id: Digest, expiresAt: Milliseconds): Promise<boolean>
  /** Counts one more attempt and returns how many fell into the window that the first of them opened. */
  countAttempt(bucket: string, windowSeconds: number, at: Milliseconds): Promise<number>
  attempts(bucket: string, at: Milliseconds): Promise<number>
  /** One of them was none: it is counted no longer. */
  takeBackAttempt(bucket: string, at: Milliseconds): Promise<void>

  savePushedRequest(request: PushedRequest): Promise<void>
  /** Undefined when unknown, expired or spent. */
  pushedRequest(uri: Digest, at: Milliseconds): Promise<PushedRequest | undefined>

  /** False when the user code is taken: draw another. */
  saveDevice(device: DeviceAuthorization): Promise<boolean>
  /** Waiting for a decision; undefined when unknown, expired or decided. */
  waitingDevice(userCode: Digest, at: Milliseconds): Promise<DeviceAuthorization | undefined>
  /** False when somebody was faster or it has expired. */
  approveDevice(userCode: Digest, grant: Grant, at: Milliseconds): Promise<boolean>
  denyDevice(userCode: Digest, at: Milliseconds): Promise<boolean>
  device(device: Digest): Promise<DeviceAuthorization | undefined>
  /** One poll: keeps the interval (RFC 8628 section 3.5), or spends the code and writes its first refresh token. */
  pollDevice(device: Digest, redemption: Redemption): Promise<DeviceOutcome>

  /** Removes at most `limit` expired rows of each kind; how many it removed. */
  sweep(at: Milliseconds, limit: number): Promise<number>
}

export interface StoredRefreshToken {
  readonly token: RefreshToken
  readonly grant: Grant
}

/** What a redemption writes. */
export interface Redemption {
  readonly at: Milliseconds
  readonly address: string
  /** The first refresh token, unless the client gets none. */
  readonly refreshToken: NewRefreshToken | undefined
  /** When the last of the tokens issued by it ends: until then the grant is kept. */
  readonly endsAt: Milliseconds
}

export type NewRefreshToken = Pick<RefreshToken, 'tokenDigest' | 'dpop_jkt' | 'expiresAt'>

export interface Renewal {
  readonly at: Milliseconds
  readonly address: string
  readonly endsAt: Milliseconds
}

export interface Rotation {
  readonly at: Milliseconds
  readonly address: string
  readonly successor: NewRefreshToken
  /** The key of this request's proof: a repetition must show the same. */
  readonly presentedKey: string | undefined
  readonly graceMilliseconds: number
  /** What followed the token if it was spent at that time. */
  readonly successorAt: (spentAt: Milliseconds) => Digest
}

export type CodeState =
  | { readonly kind: 'issued'; readonly code: AuthorizationCode; readonly grant: Grant }
  | { readonly kind: 'redeemed'; readonly code: AuthorizationCode }
  | { readonly kind: 'unknown' }

export type CodeOutcome =
  | { readonly kind: 'redeemed'; readonly grant: Grant }
  | { readonly kind: 'replayed' }
  | { readonly kind: 'dead' }

export type RenewalOutcome = { readonly kind: 'renewed' } | { readonly kind: 'dead' }

export type RotationOutcome =
  | { readonly kind: 'rotated' }
  | { readonly kind: 'replaced' }
  | { readonly kind: 'repeated'; readonly spentAt: Milliseconds }
  | { readonly kind: 'reused' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'dead' }

export type DeviceOutcome =
  | { readonly kind: 'redeemed'; readonly grant: Grant }
  | { readonly kind: 'pending' }
  | { readonly kind: 'slow_down' }
  | { readonly kind: 'denied' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'dead' }

export type Standing =
  | { readonly kind: 'live'; readonly grant: Grant | undefined }
  | { readonly kind: 'revoked' }
