import type { Grant, Store } from '../../../oauth/index.js'
import type { Database } from '../database.js'
import { groupCommitOf } from '../group-commit.js'
import { grantUsesOf } from './grant-uses.js'
import { sessionGrants } from './session-grants.js'

export interface GrantRow {
  readonly grant_id: string
  readonly client_id: string
  readonly sub: string
  readonly scope: string
  readonly resource: string
  readonly auth_time: number
  readonly sid: string
  readonly nonce: string | null
  readonly created_at: number
  readonly expires_at: number
  readonly revoked_at: number | null
  readonly last_used_at: number
  readonly last_used_from: string
  readonly device_name: string | null
  readonly kept_until: number
}

export function grantOf(row: GrantRow): Grant {
  return {
    grantId: row.grant_id,
    client_id: row.client_id,
    sub: row.sub,
    scope: row.scope,
    resource: JSON.parse(row.resource),
    authTime: row.auth_time,
    sid: row.sid,
    ...(row.nonce !== null && { nonce: row.nonce }),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    ...(row.revoked_at !== null && { revokedAt: row.revoked_at }),
    lastUsedAt: row.last_used_at,
    lastUsedFrom: row.last_used_from,
    ...(row.device_name !== null && { deviceName: row.device_name }),
  }
}

/** What the stores of codes, refresh tokens and devices do to grants, inside their own transactions. */
export interface GrantRows {
  get(grantId: string): Grant | undefined
  /** The grant, unless it is revoked or over. */
  alive(grantId: string, at: number): Grant | undefined
  insert(grant: Grant, keptUntil: number): void
  /**
   * Tokens of it were issued, the last of which ends then.
   * @param keptUntil when it was known to be kept until at least; 0 when that is not known
   * @returns the same, afterwards
   */
  use(grantId: string, at: number, address: string, endsAt: number, keptUntil: number): number
  /** False when it was dead already. */
  revoke(grantId: string, at: number): boolean
}

/**
 * A grant is kept longer than its last token by this part of the token's life, a day of thirty: so its place in an index
 * moves once a day, not with every token.
 */
const KEPT_LONGER = 30

export function grantRows(database: Database): GrantRows {
  const select = database.prepare<[string], GrantRow>('SELECT * FROM grants WHERE grant_id = ?')
  const insert = database.prepare(
    `INSERT INTO grants VALUES (@grantId, @client_id, @sub, @scope, @resource, @authTime, @sid, @nonce, @createdAt,
       @expiresAt, NULL, @lastUsedAt, @lastUsedFrom, @deviceName, @keptUntil)`,
  )
  const keep = database.prepare(
    'UPDATE grants SET kept_until = ? WHERE grant_id = ? AND kept_until < ?',
  )
  const revoke = database.prepare(
    'UPDATE grants SET revoked_at = ? WHERE grant_id = ? AND revoked_at IS NULL',
  )
  const uses = grantUsesOf(database)
  const get = (grantId: string) => {
    const row = select.get(grantId)
    return row === undefined ? undefined : uses.current(grantOf(row))
  }
  return {
    get,
    alive(grantId, at) {
      const grant = get(grantId)
      const isAlive = grant !== undefined && grant.revokedAt === undefined && grant.expiresAt > at
      return isAlive ? grant : undefined
    },
    insert(grant, keptUntil) {
      const resource = JSON.stringify(grant.resource)
      insert.run({ nonce: null, deviceName: null, ...grant, resource, keptUntil })
    },
    use(grantId, at, address, endsAt, keptUntil) {
      uses.note(grantId, at, address)
      if (keptUntil >= endsAt) return keptUntil
      const longer = endsAt + Math.round((endsAt - at) / KEPT_LONGER)
      return keep.run(longer, grantId, endsAt).changes > 0 ? longer : endsAt
    },
    revoke: (grantId, at) => revoke.run(at, grantId).changes > 0,
  }
}

export type GrantStore = Pick<
  Store,
  | 'grant'
  | 'grantsOf'
  | 'noteUse'
  | 'revokeGrant'
  | 'revokeGrantsOf'
  | 'revokeGrantsOfSession'
  | 'revokeAccessToken'
  | 'standing'
  | 'consent'
  | 'saveConsent'
  | 'removeConsents'
>

const GRANTS_MAX = 1000

/** What people go by when they let a client in (oauth/clients/shown-client.ts), of its JSON. */
const shownOf = (client: string) =>
  `json_extract(${client}, '$.client_name', '$.application_type', '$.redirect_uris')`

export function grantStore(database: Database, rows: GrantRows): GrantStore {
  const ofUser = database.prepare<[string, number, number], GrantRow>(
    `SELECT * FROM grants WHERE sub = ? AND revoked_at IS NULL AND min(expires_at, kept_until) > ?
     ORDER BY created_at DESC, grant_id LIMIT ?`,
  )
  const revokeOfUser = database.prepare(
    'UPDATE grants SET revoked_at = ? WHERE sub = ? AND revoked_at IS NULL',
  )
  const ofSessions = sessionGrants(database)
  const revokeToken = database.prepare(
    'INSERT INTO revoked_tokens VALUES (?, ?) ON CONFLICT DO NOTHING',
  )
  const isRevoked = database
    .prepare<[string], number>('SELECT 1 FROM revoked_tokens WHERE jti = ?')
    .pluck()
  const consent = database
    .prepare<[string, string], string>('SELECT scope FROM consents WHERE sub = ? AND client_id = ?')
    .pluck()
  const saveConsent = database.prepare(
    `INSERT INTO consents SELECT @sub, client_id, @scope FROM clients
     WHERE client_id = @client_id AND ${shownOf('client')} = ${shownOf('@client')}
     ON CONFLICT DO UPDATE SET scope = excluded.scope`,
  )
  const removeConsents = database.prepare(
    'DELETE FROM consents WHERE sub = @sub AND (@client_id IS NULL OR client_id = @client_id)',
  )
  const commits = groupCommitOf(database)
  const uses = grantUsesOf(database)
  return {
    grant: async (grantId) => rows.get(grantId),
    grantsOf: async (sub, at) =>
      ofUser.all(sub, at, GRANTS_MAX).map((row) => uses.current(grantOf(row))),
    noteUse: (grantId, at, address) => uses.note(grantId, at, address),
    revokeGrant: (grantId, at) => commits.runDurably(() => rows.revoke(grantId, at)),
    revokeGrantsOf: (sub, at) => commits.runDurably(() => revokeOfUser.run(at, sub).changes),
    revokeGrantsOfSession: (sid, at) => commits.runDurably(() => ofSessions.revoke(sid, at)),
    async revokeAccessToken(jti, expiresAt) {
      await commits.runDurably(() => revokeToken.run(jti, expiresAt))
    },
    async standing(jti, grantId, at) {
      if (isRevoked.get(jti) !== undefined) return { kind: 'revoked' }
      if (grantId === undefined) return { kind: 'live', grant: undefined }
      const grant = rows.alive(grantId, at)
      return grant === undefined ? { kind: 'revoked' } : { kind: 'live', grant }
    },
    consent: async (sub, client_id) => consent.get(sub, client_id),
    async saveConsent(sub, client, scope) {
      const { client_id } = client
      const row = { sub, client_id, client: JSON.stringify(client), scope }
      return (await commits.run(() => saveConsent.run(row).changes)) > 0
    },
    async removeConsents(sub, client_id) {
      await commits.run(() => removeConsents.run({ sub, client_id: client_id ?? null }))
    },
  }
}
