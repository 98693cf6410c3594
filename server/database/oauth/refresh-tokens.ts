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
} from '../../../oauth/index.js'
import type { Database } from '../database.js'
import type { GrantRows } from './grants.js'

interface Row {
  readonly token_digest: Digest
  readonly grant_id: string
  readonly client_id: string
  readonly dpop_jkt: string | null
  readonly expires_at: number
  readonly spent_at: number | null
  readonly spent_key: string | null
}

function tokenOf(row: Row): RefreshToken {
  return {
    tokenDigest: row.token_digest,
    grantId: row.grant_id,
    client_id: row.client_id,
    ...(row.dpop_jkt !== null && { dpop_jkt: row.dpop_jkt }),
    expiresAt: row.expires_at,
    ...(row.spent_at !== null && { spentAt: row.spent_at }),
  }
}

export interface RefreshTokenRows {
  insert(grant: Grant, token: NewRefreshToken): void
}

export function refreshTokenRows(database: Database): RefreshTokenRows {
  const insert = database.prepare('INSERT INTO refresh_tokens VALUES (?, ?, ?, ?, ?, NULL, NULL)')
  return {
    insert({ grantId, client_id }, { tokenDigest, dpop_jkt, expiresAt }) {
      insert.run(tokenDigest, grantId, client_id, dpop_jkt ?? null, expiresAt)
    },
  }
}

export type RefreshTokenStore = Pick<Store, 'refreshToken' | 'rotate' | 'renew'>

export function refreshTokenStore(
  database: Database,
  grants: GrantRows,
  tokens: RefreshTokenRows,
): RefreshTokenStore {
  const select = database.prepare<[string], Row>(
    'SELECT * FROM refresh_tokens WHERE token_digest = ?',
  )
  const spend = database.prepare(
    'UPDATE refresh_tokens SET spent_at = ?, spent_key = ? WHERE token_digest = ?',
  )
  const extend = database.prepare(
    'UPDATE refresh_tokens SET expires_at = max(expires_at, ?) WHERE token_digest = ?',
  )

  const rotate = database.transaction((digest: Digest, rotation: Rotation): RotationOutcome => {
    const { at, address, successor, presentedKey, graceMilliseconds } = rotation
    const row = select.get(digest)
    const grant = row && grants.alive(row.grant_id, at)
    if (row === undefined || grant === undefined || row.expires_at <= at) return { kind: 'dead' }
    if (row.spent_at === null) {
      spend.run(at, presentedKey ?? null, digest)
      tokens.insert(grant, successor)
      return { kind: 'rotated', grant: grants.use(grant, at, address, successor.expiresAt) }
    }
    // A clock that was set back makes no token young again.
    if (at - row.spent_at > graceMilliseconds || at < row.spent_at) {
      grants.revoke(row.grant_id, at)
      return { kind: 'reused' }
    }
    if (row.spent_key !== (presentedKey ?? null)) return { kind: 'refused' }
    return { kind: 'repeated', grant }
  })

  const renew = database.transaction((digest: Digest, renewal: Renewal): RenewalOutcome => {
    const { at, address, endsAt } = renewal
    const row = select.get(digest)
    const grant = row && grants.alive(row.grant_id, at)
    if (row === undefined || grant === undefined) return { kind: 'dead' }
    if (row.spent_at !== null || row.expires_at <= at) return { kind: 'dead' }
    extend.run(endsAt, digest)
    return { kind: 'renewed', grant: grants.use(grant, at, address, endsAt) }
  })

  return {
    async refreshToken(digest) {
      const row = select.get(digest)
      return row === undefined ? undefined : tokenOf(row)
    },
    rotate: async (digest, rotation) => rotate.immediate(digest, rotation),
    renew: async (digest, renewal) => renew.immediate(digest, renewal),
  }
}
