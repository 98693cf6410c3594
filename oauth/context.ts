import { ProofKeys } from './jose/proof-keys.js'
import type { Keys } from './keys/keys.js'
import { type DerivedKeys, deriveKeys } from './secrets.js'
import { Seldom } from './seldom.js'
import type { Store } from './store.js'
import type { AccountClaims, AuditEvent, Client, Lifetimes } from './types.js'
import { DEFAULT_LIFETIMES } from './types.js'

/** For what somebody may do as often as they like. */
const AUDITED_EVERY_MILLISECONDS = 900_000

/** What the authorization server is given. */
export interface Dependencies {
  /** https, no query, no fragment, no slash at the end; from configuration only and never changed. */
  readonly issuer: string
  /** The identifier of the resource server beside it (RFC 8707): the default audience. */
  readonly resource: string
  /** Identifiers of further resource servers that trust this issuer. */
  readonly otherResources?: readonly string[]
  /** Scopes of the resources, beside those of OpenID Connect. */
  readonly scopes: readonly string[]
  readonly store: Store
  readonly keys: Keys
  /** At least 32 random bytes that stay the same for the life of the data. */
  readonly secret: Buffer
  readonly clock: () => Date
  readonly lifetimes?: Partial<Lifetimes>
  readonly accounts: Accounts
  /**
   * A number that is another one as soon as a client, a revocation or an account may have changed, by whichever process:
   * while it stays the same, an access token that counted still does. Without it everything is looked up every time.
   */
  readonly epoch?: () => number
  readonly audit: (event: AuditEvent) => void
  /** Dynamic client registration (RFC 7591); off unless "open". */
  readonly registration?: 'off' | 'open'
  /** Pushed requests and device authorizations that one client may begin in five minutes; default 12,000. */
  readonly unfinishedPerClient?: number
}

export interface Accounts {
  /** Undefined when the account is gone or disabled. Asked on every request: keep it quick. */
  claims(sub: string): Promise<AccountClaims | undefined>
}

/** What every endpoint gets. */
export interface Context {
  readonly issuer: string
  /** Of the issuer. */
  readonly origin: string
  /** Path of the issuer, which ours begin with; empty for most. */
  readonly base: string
  readonly resource: string
  readonly resources: ReadonlySet<string>
  readonly scopes: readonly string[]
  readonly store: Store
  readonly keys: Keys
  readonly derived: DerivedKeys
  readonly lifetimes: Lifetimes
  readonly accounts: Accounts
  readonly epoch: () => number
  readonly audit: (event: AuditEvent) => void
  readonly registration: 'off' | 'open'
  readonly proofKeys: ProofKeys
  /** Clients that got tokens for themselves, by where they are. */
  readonly issuedToClients: Seldom
  /** Access tokens that were shown without their key, by their grant, or by their client if it acts for itself. */
  readonly refusedTokens: Seldom
  readonly unfinishedPerClient: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export function createContext(dependencies: Dependencies): Context {
  const { issuer, resource, otherResources = [], clock, secret, ...rest } = dependencies
  const { origin, pathname } = parseIssuer(issuer)
  return {
    ...rest,
    issuer,
    origin,
    base: pathname === '/' ? '' : pathname,
    resource,
    resources: new Set([resource, ...otherResources]),
    derived: deriveKeys(secret),
    lifetimes: { ...DEFAULT_LIFETIMES, ...dependencies.lifetimes },
    // Not a number is never the same.
    epoch: dependencies.epoch ?? (() => Number.NaN),
    registration: dependencies.registration ?? 'off',
    proofKeys: new ProofKeys(),
    issuedToClients: new Seldom(AUDITED_EVERY_MILLISECONDS),
    refusedTokens: new Seldom(AUDITED_EVERY_MILLISECONDS),
    unfinishedPerClient: dependencies.unfinishedPerClient ?? 12_000,
    now: () => clock().getTime(),
  }
}

/** RFC 8414 section 2; one spelling for ever, so no slash at the end. */
function parseIssuer(issuer: string): URL {
  const parsed = URL.canParse(issuer) ? new URL(issuer) : undefined
  if (parsed?.protocol === 'https:' && !/[?#]|\/$/.test(issuer)) return parsed
  throw new Error(
    `the issuer must be an https URL without query, fragment or slash at the end, not ${issuer}`,
  )
}

export function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}

/** Public clients cannot keep a secret (RFC 6749 section 2.1). */
export function isPublic(client: Client): boolean {
  return client.token_endpoint_auth_method === 'none'
}
