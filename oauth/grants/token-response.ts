/** What the token endpoint answers with (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3). */

import type { Context } from '../context.js'
import { type Answer, JsonText } from '../http/answer.js'
import { createAccessToken } from '../tokens/access-token.js'
import { createIdToken } from '../tokens/id-token.js'
import { hasScope } from '../tokens/scope.js'
import type { Client, Grant } from '../types.js'

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
  return tokenAnswer(context, jkt, {
    access_token,
    scope,
    refresh_token,
    id_token: withIdToken ? await createIdToken(context, client, grant, nonce) : undefined,
  })
}

/** What a grant gave. Members that are undefined are left out. */
interface Tokens {
  readonly access_token: string
  readonly scope: string
  readonly refresh_token?: string | undefined
  readonly id_token?: string | undefined
}

/** The answer of the token endpoint (RFC 6749 section 5.1). In a compact JWS nothing is to be escaped, and it is most of it. */
export function tokenAnswer(
  { lifetimes }: Context,
  jkt: string | undefined,
  { access_token, scope, refresh_token, id_token }: Tokens,
): Answer {
  const members = {
    // RFC 9449 section 5: a bound token says so
    token_type: jkt === undefined ? 'Bearer' : 'DPoP',
    expires_in: lifetimes.accessToken,
    scope,
    refresh_token,
    id_token,
  }
  const rest = JSON.stringify(members).slice(1)
  return { status: 200, body: new JsonText(`{"access_token":"${access_token}",${rest}`) }
}
