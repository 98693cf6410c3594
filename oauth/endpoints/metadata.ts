/** Authorization server metadata (RFC 8414), which is the OpenID Provider configuration (OIDC Discovery) too. */
import { PROMPTS } from '../authorization/authorization-request.js'
import type { Context } from '../context.js'
import { FOREIGN_ALGORITHMS } from '../jose/foreign-jwt.js'
import { code_challenge_method } from '../pkce.js'
import { OPENID_SCOPES } from '../tokens/scope.js'
import { CLIENT_AUTH_METHODS, GRANT_TYPES, SIGNING_ALGORITHMS } from '../types.js'

/** Defaults of the RFC would say what is not so (section 2: implicit, fragment, Basic only); hence all is stated. */
export function serverMetadata(context: Context): object {
  const { issuer } = context
  const confidential = CLIENT_AUTH_METHODS.filter((method) => method !== 'none')
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    revocation_endpoint: `${issuer}/revoke`,
    introspection_endpoint: `${issuer}/introspect`,
    device_authorization_endpoint: `${issuer}/device_authorization`,
    pushed_authorization_request_endpoint: `${issuer}/par`,
    userinfo_endpoint: `${issuer}/userinfo`,
    end_session_endpoint: `${issuer}/logout`,
    ...(context.registration === 'open' && { registration_endpoint: `${issuer}/register` }),
    scopes_supported: [...OPENID_SCOPES, ...context.scopes],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: GRANT_TYPES,
    code_challenge_methods_supported: [code_challenge_method],
    token_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
    token_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGORITHMS,
    introspection_endpoint_auth_methods_supported: confidential,
    introspection_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGORITHMS,
    dpop_signing_alg_values_supported: FOREIGN_ALGORITHMS,
    authorization_response_iss_parameter_supported: true,
    require_pushed_authorization_requests: false,
    protected_resources: [context.resource],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: SIGNING_ALGORITHMS,
    claims_supported: CLAIMS,
    prompt_values_supported: PROMPTS,
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
  }
}

const CLAIMS = [
  'iss',
  'sub',
  'aud',
  'exp',
  'iat',
  'auth_time',
  'nonce',
  'sid',
  'name',
  'preferred_username',
  'updated_at',
  'email',
  'email_verified',
]
