/** The client credentials grant (RFC 6749 section 4.4): the client acts for itself. */

import { isPublic } from '../context.js'
import { OAuthError } from '../errors.js'
import { endOfTurn } from '../http/end-of-turn.js'
import { createAccessToken } from '../tokens/access-token.js'
import { requestedResources } from '../tokens/resource.js'
import { OPENID_SCOPES, scopeWithin } from '../tokens/scope.js'
import type { Client } from '../types.js'
import type { GrantHandler } from './request.js'
import { tokenAnswer } from './token-response.js'

export const clientCredentials: GrantHandler = async (context, { call, client, jkt }) => {
  if (isPublic(client)) {
    throw new OAuthError('unauthorized_client', 'only a confidential client can act for itself')
  }
  const form = call.parameters
  const allowed = ownScopes(client)
  const scope = scopeWithin(form.optional('scope') ?? allowed, allowed).join(' ')
  const resource = requestedResources(context, form)
  const { client_id } = client
  const { address } = call
  if (context.issuedToClients.isFirst(`${client_id} ${address} ${scope}`, context.now())) {
    context.audit({ type: 'client.token', outcome: 'success', client_id, address, detail: scope })
  }
  // Nothing else waits for the others of this turn, and their signatures are made together.
  await endOfTurn()
  // No user: the client is the subject, and no user has an identifier like it (RFC 9068 section 2.2, 5).
  const access_token = await createAccessToken(context, {
    client,
    sub: client_id,
    scope,
    resource,
    jkt,
  })
  return tokenAnswer(context, jkt, { access_token, scope })
}

const OF_USERS: ReadonlySet<string> = new Set(OPENID_SCOPES)
const OWN = new WeakMap<Client, string>()

/** Scopes that are about a user make no sense here. */
function ownScopes(client: Client): string {
  const known = OWN.get(client)
  if (known !== undefined) return known
  const scopes = client.scope.split(' ').filter((scope) => !OF_USERS.has(scope))
  const own = scopes.join(' ')
  OWN.set(client, own)
  return own
}
