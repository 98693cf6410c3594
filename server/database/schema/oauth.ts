/**
 * The authorization server's state. Times are milliseconds; digests are SHA-256 in base64url: no secret is in here.
 *
 * - `grants`: `kept_until` is when the last token of it has ended, or a little later; a grant that is absent counts as revoked.
 * - `refresh_tokens`: spent ones stay until they expire, so that a thief's second use is noticed. Of one that is void, in whose place
 *   another one was issued, `spent_at` is 0: long ago, and by nobody.
 * - `devices`: `state` is waiting, approved, denied or spent.
 */
export const oauthSchema = `
CREATE TABLE clients (
  client_id TEXT PRIMARY KEY,
  client TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
  kid TEXT PRIMARY KEY,
  alg TEXT NOT NULL,
  public_jwk TEXT NOT NULL,
  sealed TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  active_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
  grant_id TEXT PRIMARY KEY,
  client_id TEXT NOT NULL,
  sub TEXT NOT NULL,
  scope TEXT NOT NULL,
  resource TEXT NOT NULL,
  auth_time INTEGER NOT NULL,
  sid TEXT NOT NULL,
  nonce TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  last_used_at INTEGER NOT NULL,
  last_used_from TEXT NOT NULL,
  device_name TEXT,
  kept_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_sub ON grants (sub);
CREATE INDEX grants_by_sid ON grants (sid);
CREATE INDEX grants_by_client ON grants (client_id);
CREATE INDEX grants_by_end ON grants (kept_until);

CREATE TABLE codes (
  code_digest TEXT PRIMARY KEY,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  redirect_uri_sent INTEGER NOT NULL,
  code_challenge TEXT NOT NULL,
  dpop_jkt TEXT,
  expires_at INTEGER NOT NULL,
  redeemed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_by_expiry ON codes (expires_at);

CREATE TABLE refresh_tokens (
  token_digest TEXT PRIMARY KEY,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  dpop_jkt TEXT,
  expires_at INTEGER NOT NULL,
  spent_at INTEGER,
  spent_key TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

CREATE TABLE revoked_tokens (
  jti TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

CREATE TABLE consents (
  sub TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  PRIMARY KEY (sub, client_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE used_once (
  id TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_once_by_expiry ON used_once (expires_at);

CREATE TABLE attempts (
  bucket TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_by_expiry ON attempts (expires_at);

CREATE TABLE pushed_requests (
  uri_digest TEXT PRIMARY KEY,
  client_id TEXT NOT NULL,
  parameters TEXT NOT NULL,
  dpop_jkt TEXT,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires_at);

CREATE TABLE devices (
  device_digest TEXT PRIMARY KEY,
  user_code_digest TEXT NOT NULL UNIQUE,
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  resource TEXT NOT NULL,
  dpop_jkt TEXT,
  address TEXT NOT NULL,
  device_name TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting',
  grant_id TEXT,
  next_poll_at INTEGER NOT NULL,
  interval INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_expiry ON devices (expires_at);
`

/**
 * Tokens in the order in which they were issued, found by an index: what a rotation spends was issued not long before what it
 * writes, so both are on pages that the rotations beside it change as well. In the order of digests, each is on a page of its own.
 */
export const issueOrderSchema = `
CREATE TABLE tokens_as_issued (
  token_digest TEXT NOT NULL UNIQUE,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  dpop_jkt TEXT,
  expires_at INTEGER NOT NULL,
  spent_at INTEGER,
  spent_key TEXT
) STRICT;
INSERT INTO tokens_as_issued SELECT * FROM refresh_tokens ORDER BY expires_at;
DROP TABLE refresh_tokens;
ALTER TABLE tokens_as_issued RENAME TO refresh_tokens;
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
`

/**
 * Tokens begin with the time of their issue, and so do their keys: the order of keys is that of issue, and no index lies in another one.
 */
export const issueKeySchema = `
CREATE TABLE tokens_by_key (
  token_digest TEXT PRIMARY KEY,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  dpop_jkt TEXT,
  expires_at INTEGER NOT NULL,
  spent_at INTEGER,
  spent_key TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO tokens_by_key SELECT * FROM refresh_tokens ORDER BY token_digest;
DROP TABLE refresh_tokens;
ALTER TABLE tokens_by_key RENAME TO refresh_tokens;
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
`

/**
 * Identifiers in the order in which they stop counting: what comes together and goes together lies together. In the order of digests,
 * each change is on a page of its own, and a sweep writes four kilobytes for each of them.
 */
export const endOrderSchema = `
CREATE TABLE used_in_order (
  expires_at INTEGER NOT NULL,
  id BLOB NOT NULL,
  PRIMARY KEY (expires_at, id)
) STRICT, WITHOUT ROWID;
DROP TABLE used_once;
ALTER TABLE used_in_order RENAME TO used_once;
`

/** Which dynamically registered clients were never used; of those that were there before this was noted, nobody knows. */
export const unusedClientsSchema = `
UPDATE clients SET client = json_set(client, '$.usedAt', client ->> '$.createdAt')
WHERE client ->> '$.registration_digest' IS NOT NULL;
CREATE INDEX clients_unused ON clients (client ->> '$.createdAt')
WHERE client ->> '$.registration_digest' IS NOT NULL AND client ->> '$.usedAt' IS NULL;
`
