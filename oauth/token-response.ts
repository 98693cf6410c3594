/** What the token endpoint answers with (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3). */
import { createAccessToken } from './access-token.js'
import { type Answer, JsonText } from './call.js'
import type { Context } from './context.js'
import { createIdToken } from './id-token.js'
import { hasScope } from './scope.js'
import type { Client, Grant } from './types.js'

export interface UserTokens {
  readonly client: Client
  readonly grant: Grant
  /** Of this access token; a part of the grant's. */
  readonly scope: string
  readonly resource: readonly string[]
  readonly jkt: string | undefined
  readonly refresh_token: string | undefined
  readonly nonce: string | undefined
}

/** Tokens of a user's grant. */
export async function userTokens(context: Context, tokens: UserTokens): Promise<Answer> {
  const { client, grant, scope, resource, jkt, refresh_token, nonce } = tokens
  const access_token = await createAccessToken(context, {
    client,
    sub: grant.sub,
    scope,
    resource,
    grantId: grant.grantId,
    authTime: grant.authTime,
    jkt,
  })
  const withIdToken = hasScope(scope, 'openid')
  return {
    status: 200,
    body: withToken(access_token, {
      token_type: tokenType(jkt),
      expires_in: context.lifetimes.accessToken,
      scope,
      refresh_token,
      id_token: withIdToken ? await createIdToken(context, client, grant, nonce) : undefined,
    }),
  }
}

/** What comes with an access token (RFC 6749 section 5.1). */
interface Members {
  readonly token_type: 'Bearer' | 'DPoP'
  readonly expires_in: number
  readonly scope: string
  readonly refresh_token: string | undefined
  readonly id_token: string | undefined
}

/** Members that are undefined are left out. In a compact JWS nothing is to be escaped, and it is most of the answer. */
export function withToken(access_token: string, members: Members): JsonText {
  return new JsonText(`{"access_token":"${access_token}",${JSON.stringify(members).slice(1)}`)
}

/** RFC 9449 section 5: a bound token says so. */
export function tokenType(jkt: string | undefined): 'Bearer' | 'DPoP' {
  return jkt === undefined ? 'Bearer' : 'DPoP'
}
