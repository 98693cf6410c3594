import type {
  AuthorizationCode,
  CodeOutcome,
  Digest,
  Grant,
  PushedUse,
  Redemption,
  Store,
} from '../../../oauth/index.js'
import type { Database } from '../database.js'
import { groupCommitOf } from '../group-commit.js'
import type { GrantRows } from './grants.js'
import type { OnceRows } from './once.js'
import type { RefreshTokenRows } from './refresh-tokens.js'

interface Row {
  readonly code_digest: Digest
  readonly grant_id: string
  readonly client_id: string
  readonly redirect_uri: string
  readonly redirect_uri_sent: number
  readonly code_challenge: string
  readonly dpop_jkt: string | null
  readonly expires_at: number
  readonly redeemed_at: number | null
}

interface PushedRow {
  readonly client_id: string
  readonly parameters: string
  readonly dpop_jkt: string | null
  readonly expires_at: number
}

function codeOf(row: Row): AuthorizationCode {
  return {
    codeDigest: row.code_digest,
    grantId: row.grant_id,
    client_id: row.client_id,
    redirect_uri: row.redirect_uri,
    redirect_uri_sent: row.redirect_uri_sent === 1,
    code_challenge: row.code_challenge,
    ...(row.dpop_jkt !== null && { dpop_jkt: row.dpop_jkt }),
    expiresAt: row.expires_at,
  }
}

export type CodeStore = Pick<
  Store,
  'issueCode' | 'authorizationCode' | 'redeemCode' | 'savePushedRequest' | 'pushedRequest'
>

/** Authorization codes, and the pushed requests that they spend. */
export function codeStore(
  database: Database,
  grants: GrantRows,
  tokens: RefreshTokenRows,
  once: OnceRows,
): CodeStore {
  const select = database.prepare<[string], Row>('SELECT * FROM codes WHERE code_digest = ?')
  const insert = database.prepare('INSERT INTO codes VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)')
  const markRedeemed = database.prepare(
    'UPDATE codes SET redeemed_at = ? WHERE code_digest = ? AND redeemed_at IS NULL',
  )
  const forget = database.prepare('DELETE FROM pushed_requests WHERE uri_digest = ?')
  const push = database.prepare('INSERT INTO pushed_requests VALUES (?, ?, ?, ?, ?)')
  const pushed = database.prepare<[string, number], PushedRow>(
    'SELECT * FROM pushed_requests WHERE uri_digest = ? AND expires_at > ?',
  )

  const commits = groupCommitOf(database)

  function issue(grant: Grant, code: AuthorizationCode, spends: PushedUse | undefined) {
    if (spends !== undefined) {
      forget.run(spends.uriDigest)
      if (!once.isFirstUse(spends.uriDigest, spends.until)) return 'spent'
    }
    grants.insert(grant, code.expiresAt)
    const { codeDigest, grantId, client_id, redirect_uri, code_challenge } = code
    const sent = Number(code.redirect_uri_sent)
    const jkt = code.dpop_jkt ?? null
    insert.run(
      codeDigest,
      grantId,
      client_id,
      redirect_uri,
      sent,
      code_challenge,
      jkt,
      code.expiresAt,
    )
    return 'issued'
  }

  function redeem(digest: Digest, redemption: Redemption): CodeOutcome {
    const { at, address, refreshToken, endsAt } = redemption
    const row = select.get(digest)
    if (row === undefined) return { kind: 'dead' }
    if (markRedeemed.run(at, digest).changes === 0) {
      grants.revoke(row.grant_id, at)
      return { kind: 'replayed' }
    }
    const grant = grants.alive(row.grant_id, at)
    if (grant === undefined || row.expires_at <= at) return { kind: 'dead' }
    if (refreshToken !== undefined) tokens.insert(grant, refreshToken)
    grants.use(grant.grantId, at, address, endsAt, 0)
    return { kind: 'redeemed', grant }
  }

  return {
    issueCode: (grant, code, spends) => commits.run(() => issue(grant, code, spends)),
    async authorizationCode(digest, at) {
      const row = select.get(digest)
      if (row === undefined) return { kind: 'unknown' }
      if (row.redeemed_at !== null) return { kind: 'redeemed', code: codeOf(row) }
      const grant = grants.alive(row.grant_id, at)
      if (grant === undefined || row.expires_at <= at) return { kind: 'unknown' }
      return { kind: 'issued', code: codeOf(row), grant }
    },
    redeemCode: (digest, redemption) => commits.runDurably(() => redeem(digest, redemption)),
    async savePushedRequest({ uriDigest, client_id, parameters, dpop_jkt, expiresAt }) {
      await commits.run(() =>
        push.run(uriDigest, client_id, parameters, dpop_jkt ?? null, expiresAt),
      )
    },
    async pushedRequest(uriDigest, at) {
      const row = pushed.get(uriDigest, at)
      if (row === undefined) return undefined
      const { client_id, parameters, dpop_jkt, expires_at: expiresAt } = row
      return { uriDigest, client_id, parameters, ...(dpop_jkt !== null && { dpop_jkt }), expiresAt }
    },
  }
}
