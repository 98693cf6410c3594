/** OAuth 2.0 Protected Resource Metadata (RFC 9728). */
import type { Context } from '../context.js'
import { FOREIGN_ALGORITHMS } from '../jose/foreign-jwt.js'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** The well-known string goes between host and path (RFC 9728 section 3.1). */
export function metadataPath(resource: string): string {
  const { pathname } = new URL(resource)
  return `${WELL_KNOWN}${pathname === '/' ? '' : pathname}`
}

export function metadataUrl(context: Context, resource: string): string {
  return `${context.origin}${metadataPath(resource)}`
}

export function protectedResourceMetadata(context: Context): object {
  return {
    resource: context.resource,
    authorization_servers: [context.issuer],
    jwks_uri: `${context.issuer}/jwks`,
    scopes_supported: context.scopes,
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: FOREIGN_ALGORITHMS,
    dpop_bound_access_tokens_required: false,
    resource_name: 'Coffer',
  }
}
