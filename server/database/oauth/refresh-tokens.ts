import type {
  Digest,
  Grant,
  NewRefreshToken,
  RefreshToken,
  Renewal,
  RenewalOutcome,
  Rotation,
  RotationOutcome,
  Store,
  StoredRefreshToken,
} from '../../../oauth/index.js'
import type { Database } from '../database.js'
import { groupCommitOf } from '../group-commit.js'
import { type GrantRow, type GrantRows, grantOf } from './grants.js'

interface Row {
  readonly grant_id: string
  readonly expires_at: number
  readonly spent_at: number | null
  readonly spent_key: string | null
}

/** A token, and its grant beside it. */
interface Presented extends GrantRow {
  readonly dpop_jkt: string | null
  readonly token_expires_at: number
  readonly spent_at: number | null
}

function tokenOf(tokenDigest: Digest, row: Presented): RefreshToken {
  return {
    tokenDigest,
    grantId: row.grant_id,
    client_id: row.client_id,
    ...(row.dpop_jkt !== null && { dpop_jkt: row.dpop_jkt }),
    expiresAt: row.token_expires_at,
    ...(row.spent_at !== null && { spentAt: row.spent_at }),
  }
}

/** Tokens that were issued or read last; each of their clients comes back with its own in a quarter of an hour. */
const KNOWN_MAX = 10_000

/**
 * A request takes its time and then waits for the database, so one of another process, with a later time, may overtake it: by as
 * much as anybody waits there (milliseconds).
 */
const OVERTAKEN_MAX = 10_000

/** What never changes of a token, and how long its grant is kept at least. Only what is committed gets in here. */
interface Known extends StoredRefreshToken {
  readonly keptUntil: number
}

export interface RefreshTokenRows {
  insert(grant: Pick<Grant, 'grantId' | 'client_id'>, token: NewRefreshToken): void
}

export function refreshTokenRows(database: Database): RefreshTokenRows {
  const insert = database.prepare('INSERT INTO refresh_tokens VALUES (?, ?, ?, ?, ?, NULL, NULL)')
  return {
    insert({ grantId, client_id }, { tokenDigest, dpop_jkt, expiresAt }) {
      insert.run(tokenDigest, grantId, client_id, dpop_jkt ?? null, expiresAt)
    },
  }
}

export type RefreshTokenStore = Pick<Store, 'refreshToken' | 'refreshable' | 'rotate' | 'renew'>

export function refreshTokenStore(
  database: Database,
  grants: GrantRows,
  tokens: RefreshTokenRows,
): RefreshTokenStore {
  const commits = groupCommitOf(database)
  const presented = database.prepare<[string], Presented>(
    `SELECT grants.*, dpop_jkt, refresh_tokens.expires_at AS token_expires_at, spent_at
     FROM refresh_tokens JOIN grants USING (grant_id) WHERE token_digest = ?`,
  )
  const select = database.prepare<[string], Row>(
    'SELECT grant_id, expires_at, spent_at, spent_key FROM refresh_tokens WHERE token_digest = ?',
  )
  /** Spends what can be spent and nothing else: everything that a rotation needs is in its conditions. */
  const spend = database.prepare(
    `UPDATE refresh_tokens SET spent_at = @at, spent_key = @presentedKey
     WHERE token_digest = @digest AND spent_at IS NULL AND expires_at > @at AND EXISTS (
       SELECT 1 FROM grants WHERE grant_id = refresh_tokens.grant_id AND revoked_at IS NULL AND expires_at > @at)`,
  )
  const voidUnused = database.prepare(
    'UPDATE refresh_tokens SET spent_at = 0 WHERE token_digest = ? AND spent_at IS NULL',
  )
  const spendAgain = database.prepare(
    'UPDATE refresh_tokens SET spent_at = ? WHERE token_digest = ?',
  )
  const extend = database.prepare(
    'UPDATE refresh_tokens SET expires_at = max(expires_at, ?) WHERE token_digest = ?',
  )

  const known = new Map<Digest, Known>()
  function remember(one: Known): void {
    const [oldest] = known.keys()
    if (known.size >= KNOWN_MAX && oldest !== undefined) known.delete(oldest)
    known.set(one.token.tokenDigest, one)
  }
  async function read(digest: Digest): Promise<Known | undefined> {
    const row = await commits.read(() => presented.get(digest))
    return row && { token: tokenOf(digest, row), grant: grantOf(row), keptUntil: row.kept_until }
  }

  type Rotated =
    | { readonly kind: 'rotated' | 'replaced'; readonly keptUntil: number }
    | Exclude<RotationOutcome, { readonly kind: 'rotated' | 'replaced' }>

  function rotate(token: RefreshToken, rotation: Rotation, keptUntil: number): Rotated {
    const { tokenDigest: digest } = token
    const { at, presentedKey = null } = rotation
    if (spend.run({ digest, at, presentedKey }).changes > 0) {
      return { kind: 'rotated', keptUntil: follow(token, rotation, keptUntil) }
    }
    return refuse(token, rotation, keptUntil)
  }

  function follow(token: RefreshToken, rotation: Rotation, keptUntil: number): number {
    const { at, address, successor } = rotation
    tokens.insert(token, successor)
    return grants.use(token.grantId, at, address, successor.expiresAt, keptUntil)
  }

  /** Why it was not to be spent, and what comes of that. */
  function refuse(token: RefreshToken, rotation: Rotation, keptUntil: number): Rotated {
    const { at, presentedKey, graceMilliseconds } = rotation
    const row = select.get(token.tokenDigest)
    const grant = row && grants.alive(row.grant_id, at)
    if (row === undefined || grant === undefined || row.expires_at <= at) return { kind: 'dead' }
    if (row.spent_at === null) throw new Error('a refresh token that is alive was not spent')
    const since = at - row.spent_at
    if (since > graceMilliseconds && voidLost(row, rotation)) {
      spendAgain.run(at, token.tokenDigest)
      return { kind: 'replaced', keptUntil: follow(token, rotation, keptUntil) }
    }
    // A clock that was set back makes no token young again.
    if (since > graceMilliseconds || since < -OVERTAKEN_MAX) {
      grants.revoke(row.grant_id, at)
      return { kind: 'reused' }
    }
    if (row.spent_key !== (presentedKey ?? null)) return { kind: 'refused' }
    return { kind: 'repeated', spentAt: row.spent_at }
  }

  /**
   * Whoever proves the key with which a token was spent, and has not used what followed, may not have got that: an answer is lost, and a
   * laptop sleeps for hours. Then what followed is void: should somebody have it after all, two have the key, and its use says so.
   */
  function voidLost(row: Row, { presentedKey, successorAt }: Rotation): boolean {
    if (row.spent_at === null || row.spent_key === null) return false
    if (row.spent_key !== presentedKey) return false
    return voidUnused.run(successorAt(row.spent_at)).changes > 0
  }

  function renew(digest: Digest, { at, address, endsAt }: Renewal): RenewalOutcome {
    const row = select.get(digest)
    const grant = row && grants.alive(row.grant_id, at)
    if (row === undefined || grant === undefined) return { kind: 'dead' }
    if (row.spent_at !== null || row.expires_at <= at) return { kind: 'dead' }
    extend.run(endsAt, digest)
    grants.use(grant.grantId, at, address, endsAt, 0)
    return { kind: 'renewed' }
  }

  return {
    refreshToken: read,
    async refreshable(digest) {
      const one = known.get(digest) ?? (await read(digest))
      if (one !== undefined && !known.has(digest)) remember(one)
      return one
    },
    async rotate(token, rotation) {
      const { tokenDigest, grantId, client_id } = token
      const one = known.get(tokenDigest)
      const outcome = await commits.run(() => rotate(token, rotation, one?.keptUntil ?? 0))
      // Its owner keeps the successor alone: that must be known after loss of power, too.
      if (outcome.kind !== 'dead' && outcome.kind !== 'refused') await commits.synced()
      if (outcome.kind !== 'rotated' && outcome.kind !== 'replaced') return outcome
      known.delete(tokenDigest)
      if (one !== undefined) {
        const successor = { grantId, client_id, ...rotation.successor }
        remember({ token: successor, grant: one.grant, keptUntil: outcome.keptUntil })
      }
      return { kind: outcome.kind }
    },
    renew: (digest, renewal) => commits.run(() => renew(digest, renewal)),
  }
}
