import type { JsonWebKey } from 'node:crypto'

/** Milliseconds since the epoch: finer than the seconds of JWTs, so that two events of one second stay in order. */
export type Milliseconds = number

declare const digest: unique symbol
/**
 * SHA-256 of a secret, base64url: all that is ever stored of it. Only `digestOf` (secrets.ts) makes one, and for refresh tokens
 * `refreshTokenDigest` (stamped-token.ts), with the time of their issue in front.
 */
export type Digest = string & { readonly [digest]: 'Digest' }

/** Signature algorithms we sign with: ES256 by default, RS256 because RFC 9068 section 2.1 demands it. */
export const SIGNING_ALGORITHMS = ['ES256', 'RS256'] as const
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number]

export const CLIENT_AUTH_METHODS = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
] as const
export type ClientAuthMethod = (typeof CLIENT_AUTH_METHODS)[number]

export const GRANT_TYPES = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
] as const
export type GrantType = (typeof GRANT_TYPES)[number]

/** Client metadata, named as RFC 7591 section 2 and OpenID Connect Registration section 2 name it. */
export interface Client {
  readonly client_id: string
  readonly client_name: string
  readonly application_type: 'native' | 'web'
  /** `none` makes it a public client (RFC 6749 section 2.1). */
  readonly token_endpoint_auth_method: ClientAuthMethod
  readonly client_secret_digest?: Digest
  readonly jwks?: { readonly keys: readonly PublicJwk[] }
  readonly redirect_uris: readonly string[]
  readonly post_logout_redirect_uris: readonly string[]
  readonly grant_types: readonly GrantType[]
  /** Space-separated; what the client may ask for at all. */
  readonly scope: string
  readonly id_token_signed_response_alg: SigningAlgorithm
  /** Algorithm of the access tokens made for this client. */
  readonly access_token_signed_response_alg: SigningAlgorithm
  /** RFC 9449 section 5.2 */
  readonly dpop_bound_access_tokens: boolean
  /** RFC 9126 section 6 */
  readonly require_pushed_authorization_requests: boolean
  /** FAPI 2.0 Security Profile: PAR, sender-constrained tokens and asymmetric client authentication enforced. */
  readonly fapi: boolean
  /** May use the introspection endpoint for tokens of other clients: a resource server (RFC 7662 section 4). */
  readonly introspects: boolean
  readonly createdAt: Milliseconds
  /** Digest of the registration access token, for dynamically registered clients (RFC 7592). */
  readonly registration_digest?: Digest
  /** When a dynamically registered client first got tokens; one that never does is removed. */
  readonly usedAt?: Milliseconds
}

export type PublicJwk = JsonWebKey & { readonly kid?: string; readonly alg?: string }

/**
 * What a user allowed a client to do, once. Codes, refresh tokens and access tokens of one authorization hang on one
 * grant, so revoking it kills all of them ("family", RFC 9700 section 4.14.2).
 */
export interface Grant {
  readonly grantId: string
  readonly client_id: string
  readonly sub: string
  /** Space-separated. */
  readonly scope: string
  /** Resource identifiers (RFC 8707), never empty. */
  readonly resource: readonly string[]
  readonly authTime: Milliseconds
  /** Browser session that approved; a grant without offline_access ends with it. */
  readonly sid: string
  /** Goes into the first ID token (OpenID Connect Core section 3.1.2.1). */
  readonly nonce?: string
  readonly createdAt: Milliseconds
  /** No token of this grant lives longer. */
  readonly expiresAt: Milliseconds
  readonly revokedAt?: Milliseconds
  readonly lastUsedAt: Milliseconds
  /** Address of the client at its last use; for people. */
  readonly lastUsedFrom: string
  /** What the device called itself when it asked; for people. */
  readonly deviceName?: string
}

export interface AuthorizationCode {
  readonly codeDigest: Digest
  readonly grantId: string
  readonly client_id: string
  readonly redirect_uri: string
  /** It was in the authorization request, so the token request must repeat it (RFC 6749 section 4.1.3). */
  readonly redirect_uri_sent: boolean
  readonly code_challenge: string
  /** RFC 9449 section 10: the key the code is bound to. */
  readonly dpop_jkt?: string
  readonly expiresAt: Milliseconds
}

export interface RefreshToken {
  readonly tokenDigest: Digest
  readonly grantId: string
  readonly client_id: string
  /** RFC 9449 section 5: set for public clients that sent a proof. */
  readonly dpop_jkt?: string
  readonly expiresAt: Milliseconds
  /** When its successor was written. */
  readonly spentAt?: Milliseconds
}

/** A pushed authorization request (RFC 9126). */
export interface PushedRequest {
  readonly uriDigest: Digest
  readonly client_id: string
  /** The parameters, form-encoded. */
  readonly parameters: string
  readonly dpop_jkt?: string
  readonly expiresAt: Milliseconds
}

/** A pushed request as a page carries it, which may be answered after the request has expired. */
export interface PushedUse {
  readonly uriDigest: Digest
  /** No page carries it any longer: so long it is known that it was spent. */
  readonly until: Milliseconds
}

/** A device authorization (RFC 8628). */
export interface DeviceAuthorization {
  readonly deviceDigest: Digest
  /** Of the user code's letters alone, upper case. */
  readonly userCodeDigest: Digest
  readonly client_id: string
  readonly scope: string
  readonly resource: readonly string[]
  readonly dpop_jkt?: string
  /** Where the device asked from; shown to the user (RFC 8628 section 5.4). */
  readonly address: string
  /** What it called itself; shown, too. */
  readonly deviceName?: string
  /** Between two polls at first (RFC 8628 section 3.2); every hasty poll adds five seconds. */
  readonly interval: Milliseconds
  readonly createdAt: Milliseconds
  readonly expiresAt: Milliseconds
}

/** A signing key at rest; `sealed` is the private key, encrypted under the key that was handed in. */
export interface StoredKey {
  readonly kid: string
  readonly alg: SigningAlgorithm
  readonly publicJwk: PublicJwk
  readonly sealed: string
  readonly createdAt: Milliseconds
  /** Signs from here on, until a younger key of the same algorithm does; published since createdAt. */
  readonly activeAt: Milliseconds
}

/** Who makes a request of the resource server (RFC 6750, RFC 9449), as its access token says. */
export interface Authenticated {
  readonly sub: string
  readonly client_id: string
  readonly scope: ReadonlySet<string>
  readonly jti: string
  /** Absent for client_credentials: there is no user's grant behind it. */
  readonly grantId: string | undefined
  /** When the token ends, in seconds since the epoch (RFC 7519 section 4.1.4). */
  readonly exp: number
}

/** A browser in which somebody is signed in. */
export interface BrowserSession {
  readonly sid: string
  readonly sub: string
  /** When the user last proved who they are (OpenID Connect Core section 2, auth_time). */
  readonly authTime: Milliseconds
  readonly csrfToken: string
  /** Where the request that belongs to it comes from; for people and the audit log. */
  readonly address: string
}

/** What is known of an account; standard claims are named as OpenID Connect Core section 5.1 names them. */
export interface AccountClaims {
  readonly sub: string
  /** Grants made before are dead: the password was changed, or everything signed out. */
  readonly validSince?: Milliseconds
  readonly name?: string
  readonly preferred_username?: string
  readonly email?: string
  readonly email_verified?: boolean
  /** Seconds since the epoch. */
  readonly updated_at?: number
}

/** What happened, for the audit log. `type` is stable and for programs. */
export interface AuditEvent {
  readonly type: string
  readonly outcome: 'success' | 'failure'
  readonly sub?: string
  readonly client_id?: string
  readonly grantId?: string
  readonly address?: string
  readonly detail?: string
}

/** All in seconds. */
export interface Lifetimes {
  readonly authorizationCode: number
  readonly accessToken: number
  readonly idToken: number
  /** A refresh token that is not used for so long dies (RFC 9700 section 4.14.2). */
  readonly refreshToken: number
  /** The same refresh token again within it gets the same successor. */
  readonly refreshGrace: number
  readonly grant: number
  readonly deviceCode: number
  readonly pushedRequest: number
  /** How long a login or consent page may stay open. */
  readonly interaction: number
  /** A DPoP nonce is accepted for at least this and at most twice this. */
  readonly dpopNonce: number
  /** A signing key signs for so long, then the next one does. */
  readonly signingKey: number
  /** A new signing key is published this long before it signs; the JWKS may be kept for half as long. */
  readonly publishBeforeUse: number
  /** A superseded key is published this long after its last use; longer than any token it signed. */
  readonly keepAfterUse: number
  /** A dynamically registered client that has got no tokens by then is removed. */
  readonly unusedClient: number
}

const MINUTE = 60
const DAY = 24 * 60 * MINUTE

export const DEFAULT_LIFETIMES: Lifetimes = {
  authorizationCode: MINUTE,
  accessToken: 15 * MINUTE,
  idToken: 15 * MINUTE,
  refreshToken: 30 * DAY,
  refreshGrace: 30,
  grant: 365 * DAY,
  deviceCode: 10 * MINUTE,
  pushedRequest: MINUTE,
  interaction: 60 * MINUTE,
  dpopNonce: 5 * MINUTE,
  signingKey: 90 * DAY,
  publishBeforeUse: 60 * MINUTE,
  keepAfterUse: DAY,
  unusedClient: 7 * DAY,
}
