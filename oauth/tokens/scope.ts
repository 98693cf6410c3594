import { OAuthError } from '../errors.js'

/**
 * scope       = scope-token *( SP scope-token )
 * scope-token = 1*( %x21 / %x23-5B / %x5D-7E )    (RFC 6749 section 3.3)
 */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/

/** Scopes of OpenID Connect, which every server of ours knows (Core sections 3.1.2.1, 5.4 and 11). */
export const OPENID_SCOPES = ['openid', 'profile', 'email', 'offline_access'] as const

export function parseScope(scope: string): readonly string[] {
  if (!SCOPE.test(scope)) throw new OAuthError('invalid_scope', 'the scope is malformed')
  const tokens = scope.split(' ')
  return tokens.length === 1 ? tokens : [...new Set(tokens)]
}

/** What is asked, if all of it is allowed; scope values are case-sensitive. */
export function scopeWithin(scope: string, allowed: string): readonly string[] {
  const known = allowed.split(' ')
  const asked = parseScope(scope)
  const unknown = asked.find((token) => !known.includes(token))
  if (unknown !== undefined) {
    throw new OAuthError('invalid_scope', `the scope ${unknown} is not allowed here`)
  }
  return asked
}

export function hasScope(scope: string, token: string): boolean {
  return scope.split(' ').includes(token)
}

export function covers(scope: string, asked: readonly string[]): boolean {
  const known = new Set(scope.split(' '))
  return asked.every((token) => known.has(token))
}
