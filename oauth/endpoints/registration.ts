/** Dynamic client registration (RFC 7591) and its management (RFC 7592); off unless the configuration opens it. */

import { parseMetadata, type Registry, registerClient } from '../clients/register-client.js'
import { shownClient } from '../clients/shown-client.js'
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import { networkOf } from '../http/network.js'
import { digestOf, equalInConstantTime, randomSecret } from '../secrets.js'
import type { Client } from '../types.js'

/** What only an administrator may set. */
const RESERVED = { introspects: false } as const

/** Registrations that one address may make within the window. */
const REGISTRATIONS_MAX = 20
const REGISTRATIONS_WINDOW_SECONDS = 3600

function registry(context: Context): Registry {
  return { ...context, clock: () => new Date(context.now()) }
}

export async function register(context: Context, call: Call, metadata: unknown): Promise<Answer> {
  const bucket = `registration ${networkOf(call.address)}`
  const made = await context.store.countAttempt(bucket, REGISTRATIONS_WINDOW_SECONDS, context.now())
  if (made > REGISTRATIONS_MAX) {
    throw new OAuthError('temporarily_unavailable', 'too many registrations; try again later', {
      status: 429,
      headers: { 'Retry-After': String(REGISTRATIONS_WINDOW_SECONDS) },
    })
  }
  const registration_access_token = randomSecret()
  const { client, client_secret } = await registerClient(
    registry(context),
    { ...object(metadata), ...RESERVED },
    { registration_digest: digestOf(registration_access_token) },
  )
  const { client_id } = client
  context.audit({ type: 'client.register', outcome: 'success', client_id, address: call.address })
  const secrets = {
    registration_access_token,
    ...(client_secret !== undefined && { client_secret }),
  }
  return { status: 201, body: { ...information(context, client), ...secrets } }
}

/** RFC 7592 section 2.1 */
export async function readRegistration(
  context: Context,
  call: Call,
  client_id: string,
): Promise<Answer> {
  const { client, registration_access_token } = await managedClient(context, call, client_id)
  return { status: 200, body: { ...information(context, client), registration_access_token } }
}

/** RFC 7592 section 2.2: what is left out goes back to its default. */
export async function updateRegistration(
  context: Context,
  call: Call,
  client_id: string,
  metadata: unknown,
): Promise<Answer> {
  const { client, registration_access_token } = await managedClient(context, call, client_id)
  refuseOthers(client, object(metadata))
  const { createdAt, client_secret_digest, registration_digest, usedAt } = client
  const parsed = parseMetadata(context, { ...object(metadata), ...RESERVED })
  if (parsed.token_endpoint_auth_method !== client.token_endpoint_auth_method) {
    throw new OAuthError(
      'invalid_client_metadata',
      'the token_endpoint_auth_method cannot be changed',
    )
  }
  const updated: Client = {
    ...parsed,
    client_id,
    createdAt,
    ...(client_secret_digest !== undefined && { client_secret_digest }),
    ...(registration_digest !== undefined && { registration_digest }),
    ...(usedAt !== undefined && { usedAt }),
  }
  if (shownClient(client) === shownClient(updated)) await context.store.saveClient(updated)
  else await context.store.changeClient(updated)
  context.audit({ type: 'client.update', outcome: 'success', client_id, address: call.address })
  return { status: 200, body: { ...information(context, updated), registration_access_token } }
}

/** RFC 7592 section 2.3 */
export async function deleteRegistration(
  context: Context,
  call: Call,
  client_id: string,
): Promise<Answer> {
  await managedClient(context, call, client_id)
  await context.store.removeClient(client_id, context.now())
  context.audit({ type: 'client.remove', outcome: 'success', client_id, address: call.address })
  return { status: 204 }
}

/** Anybody may register, so what nobody came back to use does not stay (RFC 7591 section 5). */
export async function removeUnusedClients(context: Context, limit: number): Promise<void> {
  const { store, lifetimes, audit } = context
  for (;;) {
    const now = context.now()
    const removed = await store.removeUnusedClients(now - lifetimes.unusedClient * 1000, limit, now)
    for (const client_id of removed) {
      audit({ type: 'client.remove', outcome: 'success', client_id, detail: 'never used' })
    }
    if (removed.length < limit) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

interface Managed {
  readonly client: Client
  /** As it was shown: an answer has it again (RFC 7592 section 3), and only its digest is kept. */
  readonly registration_access_token: string
}

async function managedClient(context: Context, call: Call, client_id: string): Promise<Managed> {
  const [field, ...others] = call.headers.authorization
  const shown = BEARER.exec(others.length === 0 ? (field ?? '') : '')?.[1]
  const client = await context.store.client(client_id)
  const expected = client?.registration_digest
  if (
    shown === undefined ||
    client === undefined ||
    expected === undefined ||
    !equalInConstantTime(digestOf(shown), expected)
  ) {
    throw new OAuthError('invalid_token', 'the registration access token is missing or wrong', {
      headers: { 'WWW-Authenticate': 'Bearer realm="coffer", error="invalid_token"' },
    })
  }
  return { client, registration_access_token: shown }
}

/** What the client names of itself must be so; it cannot choose it (RFC 7592 section 2.2). */
function refuseOthers(client: Client, sent: Readonly<Record<string, unknown>>): void {
  const { client_id = client.client_id, client_secret } = sent
  if (client_id !== client.client_id) {
    throw new OAuthError('invalid_client_metadata', 'the client_id is that of another client')
  }
  const expected = client.client_secret_digest ?? ''
  if (client_secret === undefined) return
  if (typeof client_secret === 'string' && equalInConstantTime(digestOf(client_secret), expected)) {
    return
  }
  throw new OAuthError('invalid_client_metadata', 'the client_secret is not that of the client')
}

/** RFC 7591 section 3.2.1; digests stay here. */
function information(context: Context, client: Client): object {
  const {
    client_secret_digest,
    registration_digest: _,
    createdAt,
    usedAt: __,
    ...metadata
  } = client
  return {
    ...metadata,
    response_types: client.grant_types.includes('authorization_code') ? ['code'] : [],
    client_id_issued_at: Math.floor(createdAt / 1000),
    ...(client_secret_digest !== undefined && { client_secret_expires_at: 0 }),
    registration_client_uri: `${context.issuer}/register/${client.client_id}`,
  }
}

/** Its members; null is as good as left out (RFC 7592 section 2.2). */
function object(metadata: unknown): Readonly<Record<string, unknown>> {
  if (typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata)) {
    return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null))
  }
  throw new OAuthError('invalid_client_metadata', 'the body must be a JSON object')
}
