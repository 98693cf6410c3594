import type { Digest, Store } from '../../../oauth/index.js'
import type { Database } from '../database.js'
import { groupCommitOf } from '../group-commit.js'
import { Remembered } from '../remembered.js'

export type OnceStore = Pick<
  Store,
  'useOnce' | 'countAttempt' | 'attempts' | 'takeBackAttempt' | 'sweep'
>

/** Tables whose rows expire: their key, the time, and how long after it a row is still of use (milliseconds). */
const EXPIRING = [
  { table: 'codes', key: 'code_digest', time: 'expires_at', kept: 600_000 }, // a replay is noticed a while longer
  { table: 'grants', key: 'grant_id', time: 'kept_until', kept: 600_000 },
  { table: 'refresh_tokens', key: 'token_digest', time: 'expires_at', kept: 0 },
  { table: 'revoked_tokens', key: 'jti', time: 'expires_at', kept: 0 },
  { table: 'used_once', key: 'expires_at, id', time: 'expires_at', kept: 0 },
  { table: 'attempts', key: 'bucket', time: 'expires_at', kept: 0 },
  { table: 'pushed_requests', key: 'uri_digest', time: 'expires_at', kept: 0 },
  { table: 'devices', key: 'device_digest', time: 'expires_at', kept: 600_000 }, // to answer expired_token
] as const

interface Attempts {
  readonly count: number
  readonly expires_at: number
}

/** 128 bits of a digest: nobody finds another one with the same, and half of it is half the pages. */
const ID_BYTES = 16

/** Asked about at every request of a client that authenticates, and hardly ever there. */
const BUCKETS_MAX = 10_000

/** What other stores do with identifiers that count once, inside their own transactions. */
export interface OnceRows {
  isFirstUse(id: Digest, expiresAt: number): boolean
}

export function onceRows(database: Database): OnceRows {
  const use = database.prepare('INSERT INTO used_once VALUES (?, ?) ON CONFLICT DO NOTHING')
  return {
    isFirstUse: (id, expiresAt) =>
      use.run(expiresAt, Buffer.from(id, 'base64url').subarray(0, ID_BYTES)).changes > 0,
  }
}

/** Identifiers that count once, counters of attempts, and the sweep of what has expired. */
export function onceStore(database: Database, once: OnceRows): OnceStore {
  const count = database
    .prepare<{ bucket: string; at: number; expiresAt: number }, number>(
      `INSERT INTO attempts VALUES (@bucket, 1, @expiresAt) ON CONFLICT DO UPDATE SET
         count = CASE WHEN expires_at <= @at THEN 1 ELSE count + 1 END,
         expires_at = CASE WHEN expires_at <= @at THEN @expiresAt ELSE expires_at END
       RETURNING count`,
    )
    .pluck()
  const attempts = database.prepare<[string], Attempts>(
    'SELECT count, expires_at FROM attempts WHERE bucket = ?',
  )
  const takeBack = database.prepare(
    'UPDATE attempts SET count = count - 1 WHERE bucket = ? AND expires_at > ? AND count > 0',
  )
  const known = new Remembered<Attempts | undefined>(database, 'attempts', BUCKETS_MAX)
  const read = (bucket: string) => attempts.get(bucket)
  const sweeps = EXPIRING.map(({ table, key, time, kept }) => {
    const statement = database.prepare(
      `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${time} <= ? LIMIT ?)`,
    )
    return (at: number, limit: number) => statement.run(at - kept, limit).changes
  })
  const commits = groupCommitOf(database)
  return {
    useOnce: (id, expiresAt) => commits.run(() => once.isFirstUse(id, expiresAt)),
    countAttempt(bucket, windowSeconds, at) {
      const attempt = { bucket, at, expiresAt: at + windowSeconds * 1000 }
      return commits.run(() => count.get(attempt) ?? 1)
    },
    async attempts(bucket, at) {
      const found = known.get(bucket, read)
      return found !== undefined && found.expires_at > at ? found.count : 0
    },
    async takeBackAttempt(bucket, at) {
      await commits.run(() => takeBack.run(bucket, at))
    },
    async sweep(at, limit) {
      return sweeps.reduce((removed, sweep) => removed + sweep(at, limit), 0)
    },
  }
}
