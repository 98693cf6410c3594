import type { Client, Store } from '../oauth/index.js'
import { type Accounts, newPassword, oneTimePassword, username } from './accounts/accounts.js'
import { ConfigError } from './config.js'
import type { AuditLog } from './database/accounts/audit.js'
import type { Settings } from './database/settings.js'
import { type Secret, WrongSecret } from './secret.js'

const FIRST_USER = 'admin'

/** What the first start made that the owner has to be told. */
export interface FirstStart {
  /** The first user's password, when it was drawn here: it is shown once and kept nowhere. */
  readonly oneTimePassword: string | undefined
}

/** Before there is any account nothing can have been cut off the log. */
export function beginAudit(audit: Pick<AuditLog, 'begin'>, accounts: Pick<Accounts, 'all'>): void {
  if (accounts.all().length === 0) audit.begin()
}

/** The first account, so that somebody can sign in at all. Later starts change nothing. */
export async function makeFirstUser(
  accounts: Accounts,
  audit: Pick<AuditLog, 'append'>,
  configured: string | undefined,
): Promise<FirstStart> {
  if (accounts.all().length > 0) return { oneTimePassword: undefined }
  const drawn = configured === undefined ? oneTimePassword() : undefined
  const { id } = await accounts.add({
    username: username(FIRST_USER),
    password: drawn ?? newPassword(configured ?? ''),
    name: 'Administrator',
    temporaryPassword: drawn !== undefined,
  })
  audit.append({ event: 'user.add', outcome: 'success', subject: id, detail: 'at the first start' })
  return { oneTimePassword: drawn }
}

export const BUILT_IN_CLIENT = 'coffer'

/** The mount: a public native client (RFC 8252), whose loopback redirects may use any port (section 7.3). */
const BUILT_IN: Omit<Client, 'createdAt'> = {
  client_id: BUILT_IN_CLIENT,
  client_name: 'Coffer mount',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback'],
  post_logout_redirect_uris: [],
  grant_types: [
    'authorization_code',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ],
  scope: 'openid profile email offline_access file.read file.write',
  id_token_signed_response_alg: 'ES256',
  access_token_signed_response_alg: 'ES256',
  dpop_bound_access_tokens: false,
  require_pushed_authorization_requests: false,
  fapi: false,
  introspects: false,
}

/** The client `coffer` as this version knows it. */
export async function makeBuiltInClient(store: Store, now: number): Promise<void> {
  const present = await store.client(BUILT_IN.client_id)
  await store.saveClient({ ...BUILT_IN, createdAt: present?.createdAt ?? now })
}

/**
 * Clients compare the issuer letter by letter and tokens carry it: another spelling locks all of them out, so it is fixed
 * at the first start that succeeds.
 */
export function checkIssuer(
  settings: Settings,
  issuer: string,
  how: { acceptChange: boolean },
): void {
  const fixed = settings.get('issuer')
  if (fixed !== undefined && fixed !== issuer && !how.acceptChange) {
    throw new ConfigError([
      `this data directory was set up as ${fixed}, and is now configured as ${issuer}: every device and application would have to sign in again. Set COFFER_ISSUER=${fixed}, or start once with --accept-issuer-change`,
    ])
  }
}

export function fixIssuer(settings: Settings, issuer: string): void {
  if (settings.get('issuer') !== issuer) settings.set('issuer', issuer)
}

/**
 * With another secret no signing key opens and no audit entry verifies. That is said at the start, not by the first login
 * that fails; who has lost the secret for good may go on with new keys.
 */
export async function fixSecret(
  settings: Settings,
  store: Store,
  audit: Pick<AuditLog, 'begin'>,
  secret: Secret,
  how: { acceptChange: boolean },
): Promise<void> {
  const check = secretCheck(secret)
  const fixed = settings.get('secret_check')
  if (fixed === check) return
  if (fixed !== undefined && !how.acceptChange) throw new WrongSecret()
  if (fixed !== undefined) {
    const keys = await store.signingKeys()
    await store.replaceSigningKeys(
      keys.map(({ kid }) => kid),
      [],
    )
    audit.begin()
  }
  settings.set('secret_check', check)
}

/** What tells whether a secret is the same, and nothing about it. */
export function secretCheck(secret: Secret): string {
  return secret.derive('check').toString('base64url')
}
