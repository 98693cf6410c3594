/** Registering clients: the metadata of RFC 7591 section 2, checked by one schema. */
import { z } from 'zod'
import type { Accounts } from '../context.js'
import { OAuthError } from '../errors.js'
import { FOREIGN_ALGORITHMS } from '../jose/foreign-jwt.js'
import { digestOf, randomId, randomSecret } from '../secrets.js'
import type { Store } from '../store.js'
import { OPENID_SCOPES, scopeWithin } from '../tokens/scope.js'
import {
  CLIENT_AUTH_METHODS,
  type Client,
  type Digest,
  GRANT_TYPES,
  type PublicJwk,
  SIGNING_ALGORITHMS,
} from '../types.js'
import { assertRegistrable } from './redirect-uri.js'

/** Where clients are registered. */
export interface Registry {
  readonly store: Store
  readonly accounts: Accounts
  /** Scopes of the resources, beside those of OpenID Connect. */
  readonly scopes: readonly string[]
  readonly clock: () => Date
}

export interface Registered {
  readonly client: Client
  /** Shown once; only its digest is kept. */
  readonly client_secret: string | undefined
}

const URIS_MAX = 20

/** Characters that change how the text around them reads; a name is for people to trust. */
export const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

const name = z
  .string()
  .trim()
  .min(1, 'must have 1 to 100 characters')
  .max(100, 'must have 1 to 100 characters')
  .refine((text) => !INVISIBLE.test(text), {
    message: 'must not have control or formatting characters',
  })

const jwk = z
  .looseObject({ kty: z.enum(['EC', 'RSA']), kid: z.string().optional() })
  .refine((key) => !['d', 'p', 'q', 'k'].some((member) => member in key), {
    message: 'must be public keys only',
  })
  .refine(({ alg }) => alg === undefined || FOREIGN_ALGORITHMS.some((known) => known === alg), {
    message: `must have an alg of ${FOREIGN_ALGORITHMS.join(', ')}`,
  })

/** Unknown members are ignored (RFC 7591 section 2). */
const METADATA = z.object({
  client_name: name.default('Unnamed application'),
  application_type: z.enum(['native', 'web']).default('web'),
  token_endpoint_auth_method: z.enum(CLIENT_AUTH_METHODS).default('client_secret_basic'),
  jwks: z.object({ keys: z.array(jwk).min(1).max(10) }).optional(),
  redirect_uris: z.array(z.string().max(2000)).max(URIS_MAX).default([]),
  post_logout_redirect_uris: z.array(z.string().max(2000)).max(URIS_MAX).default([]),
  grant_types: z.array(z.enum(GRANT_TYPES)).default(['authorization_code']),
  response_types: z.array(z.literal('code')).default(['code']),
  scope: z.string().optional(),
  id_token_signed_response_alg: z.enum(SIGNING_ALGORITHMS).default('ES256'),
  access_token_signed_response_alg: z.enum(SIGNING_ALGORITHMS).default('ES256'),
  dpop_bound_access_tokens: z.boolean().default(false),
  require_pushed_authorization_requests: z.boolean().default(false),
  fapi: z.boolean().default(false),
  introspects: z.boolean().default(false),
})
type Metadata = z.output<typeof METADATA>

/** One rule each about members that depend on each other; the answer is what is wrong. */
const RULES: readonly ((metadata: Metadata) => string | undefined)[] = [
  ({ grant_types, redirect_uris }) =>
    grant_types.includes('authorization_code') && redirect_uris.length === 0
      ? 'redirect_uris: the authorization code grant needs at least one'
      : undefined,
  ({ grant_types, token_endpoint_auth_method }) =>
    grant_types.includes('client_credentials') && token_endpoint_auth_method === 'none'
      ? 'grant_types: client_credentials needs a client that authenticates'
      : undefined,
  ({ token_endpoint_auth_method, jwks }) =>
    token_endpoint_auth_method === 'private_key_jwt' && jwks === undefined
      ? 'jwks: private_key_jwt needs the public keys'
      : undefined,
  ({ fapi, token_endpoint_auth_method }) =>
    fapi && token_endpoint_auth_method !== 'private_key_jwt'
      ? 'token_endpoint_auth_method: the FAPI 2.0 profile needs private_key_jwt'
      : undefined,
  ({ fapi, id_token_signed_response_alg, access_token_signed_response_alg }) =>
    fapi && [id_token_signed_response_alg, access_token_signed_response_alg].includes('RS256')
      ? 'id_token_signed_response_alg, access_token_signed_response_alg: the FAPI 2.0 profile needs ES256'
      : undefined,
  ({ introspects, token_endpoint_auth_method }) =>
    introspects && token_endpoint_auth_method === 'none'
      ? 'introspects: only a client that authenticates may introspect'
      : undefined,
]

export interface RegisterOptions {
  /** A well-known identifier for a built-in client; otherwise a random one is drawn. */
  readonly client_id?: string
  readonly registration_digest?: Digest
}

/** Registers a client, or replaces the built-in one of that name. */
export async function registerClient(
  registry: Registry,
  metadata: unknown,
  { client_id = randomId(), registration_digest }: RegisterOptions = {},
): Promise<Registered> {
  // A client acting for itself is its own subject; it must never be mistaken for a user (RFC 9068 section 5).
  if ((await registry.accounts.claims(client_id)) !== undefined) {
    throw new OAuthError('invalid_client_metadata', 'the client_id is the identifier of a user')
  }
  const parsed = parseMetadata(registry, metadata)
  const { token_endpoint_auth_method: method } = parsed
  const client_secret = method.startsWith('client_secret') ? randomSecret() : undefined
  const client: Client = {
    ...parsed,
    client_id,
    createdAt: registry.clock().getTime(),
    ...(client_secret !== undefined && { client_secret_digest: digestOf(client_secret) }),
    ...(registration_digest !== undefined && { registration_digest }),
  }
  await registry.store.saveClient(client)
  return { client, client_secret }
}

/** Metadata as it may be stored; every problem is named. */
export function parseMetadata(
  { scopes }: Pick<Registry, 'scopes'>,
  metadata: unknown,
): Omit<Client, 'client_id' | 'createdAt'> {
  const parsed = METADATA.safeParse(metadata)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new OAuthError('invalid_client_metadata', problems.join('; '))
  }
  const broken = RULES.map((rule) => rule(parsed.data)).find((problem) => problem !== undefined)
  if (broken !== undefined) throw new OAuthError('invalid_client_metadata', broken)
  const { redirect_uris, post_logout_redirect_uris } = parsed.data
  for (const uri of [...redirect_uris, ...post_logout_redirect_uris]) assertRegistrable(uri)
  const { response_types: _, jwks, scope, ...rest } = parsed.data
  const known = [...OPENID_SCOPES, ...scopes].join(' ')
  return {
    ...rest,
    scope: registrableScope(scope ?? known, known),
    ...(jwks !== undefined && { jwks: { keys: jwks.keys as PublicJwk[] } }),
  }
}

/** The codes of RFC 7591 section 3.2.2 know no invalid_scope. */
function registrableScope(scope: string, known: string): string {
  try {
    return scopeWithin(scope, known).join(' ')
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    throw new OAuthError('invalid_client_metadata', `scope: ${error.message}; known are ${known}`)
  }
}
