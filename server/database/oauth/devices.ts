import type {
  DeviceAuthorization,
  DeviceOutcome,
  Digest,
  Grant,
  Redemption,
  Store,
} from '../../../oauth/index.js'
import type { Database } from '../database.js'
import { groupCommitOf } from '../group-commit.js'
import type { GrantRows } from './grants.js'
import type { RefreshTokenRows } from './refresh-tokens.js'

interface Row {
  readonly device_digest: Digest
  readonly user_code_digest: Digest
  readonly client_id: string
  readonly scope: string
  readonly resource: string
  readonly dpop_jkt: string | null
  readonly address: string
  readonly device_name: string | null
  readonly created_at: number
  readonly expires_at: number
  readonly state: 'waiting' | 'approved' | 'denied' | 'spent'
  readonly grant_id: string | null
  readonly next_poll_at: number
  readonly interval: number
}

/** Milliseconds that every hasty poll adds to the interval (RFC 8628 section 3.5). */
const SLOWER = 5000
/** Networks are uneven: an interval that is this much too short still counts. */
const TOLERANCE = 500

function deviceOf(row: Row): DeviceAuthorization {
  return {
    deviceDigest: row.device_digest,
    userCodeDigest: row.user_code_digest,
    client_id: row.client_id,
    scope: row.scope,
    resource: JSON.parse(row.resource),
    ...(row.dpop_jkt !== null && { dpop_jkt: row.dpop_jkt }),
    address: row.address,
    ...(row.device_name !== null && { deviceName: row.device_name }),
    interval: row.interval,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

export type DeviceStore = Pick<
  Store,
  'saveDevice' | 'waitingDevice' | 'approveDevice' | 'denyDevice' | 'device' | 'pollDevice'
>

export function deviceStore(
  database: Database,
  grants: GrantRows,
  tokens: RefreshTokenRows,
): DeviceStore {
  const insert = database.prepare(
    `INSERT INTO devices VALUES (@deviceDigest, @userCodeDigest, @client_id, @scope, @resource, @dpop_jkt, @address,
       @deviceName, @createdAt, @expiresAt, 'waiting', NULL, 0, @interval) ON CONFLICT DO NOTHING`,
  )
  const byCode = database.prepare<[string], Row>('SELECT * FROM devices WHERE device_digest = ?')
  const waiting = database.prepare<[string, number], Row>(
    `SELECT * FROM devices WHERE user_code_digest = ? AND state = 'waiting' AND expires_at > ?`,
  )
  const decide = database.prepare(
    `UPDATE devices SET state = ?, grant_id = ?
     WHERE user_code_digest = ? AND state = 'waiting' AND expires_at > ?`,
  )
  const spend = database.prepare(`UPDATE devices SET state = 'spent' WHERE device_digest = ?`)
  const polled = database.prepare(
    'UPDATE devices SET next_poll_at = ?, interval = ? WHERE device_digest = ?',
  )

  const commits = groupCommitOf(database)

  function approve(userCode: Digest, grant: Grant, at: number): boolean {
    const row = waiting.get(userCode, at)
    if (row === undefined) return false
    grants.insert(grant, row.expires_at)
    decide.run('approved', grant.grantId, userCode, at)
    return true
  }

  function poll(device: Digest, redemption: Redemption): DeviceOutcome {
    const { at, address, refreshToken, endsAt } = redemption
    const row = byCode.get(device)
    if (row === undefined || row.state === 'spent') return { kind: 'dead' }
    if (row.state === 'denied') return { kind: 'denied' }
    if (row.expires_at <= at) return { kind: 'expired' }
    const hasty = at < row.next_poll_at - TOLERANCE
    const interval = hasty ? row.interval + SLOWER : row.interval
    polled.run(at + interval, interval, device)
    if (hasty) return { kind: 'slow_down' }
    if (row.state === 'waiting') return { kind: 'pending' }
    spend.run(device)
    const grant = row.grant_id === null ? undefined : grants.alive(row.grant_id, at)
    if (grant === undefined) return { kind: 'dead' }
    if (refreshToken !== undefined) tokens.insert(grant, refreshToken)
    grants.use(grant.grantId, at, address, endsAt, 0)
    return { kind: 'redeemed', grant }
  }

  return {
    async saveDevice(device) {
      const resource = JSON.stringify(device.resource)
      const row = { dpop_jkt: null, deviceName: null, ...device, resource }
      return commits.run(() => insert.run(row).changes > 0)
    },
    async waitingDevice(userCode, at) {
      const row = waiting.get(userCode, at)
      return row === undefined ? undefined : deviceOf(row)
    },
    approveDevice: (userCode, grant, at) => commits.run(() => approve(userCode, grant, at)),
    denyDevice: (userCode, at) =>
      commits.run(() => decide.run('denied', null, userCode, at).changes > 0),
    async device(digest) {
      const row = byCode.get(digest)
      return row === undefined ? undefined : deviceOf(row)
    },
    async pollDevice(device, redemption) {
      const outcome = await commits.run(() => poll(device, redemption))
      if (outcome.kind === 'redeemed') await commits.synced()
      return outcome
    },
  }
}
