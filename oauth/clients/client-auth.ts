/** Client authentication (RFC 6749 section 2.3): one method per request, out of one table. */

import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Call } from '../http/call.js'
import { networkOf } from '../http/network.js'
import { formDecode } from '../http/parameters.js'
import { digestOf, equalInConstantTime } from '../secrets.js'
import type { Client, ClientAuthMethod } from '../types.js'
import { CLIENT_ASSERTION_TYPE, claimedClient, verifyAssertion } from './client-assertion.js'

/** Wrong secrets that one address may try for one client within the window (RFC 6749 section 2.3.1). */
const FAILURES_MAX = 20
const FAILURES_WINDOW_SECONDS = 300
/** Made-up ones may be longer; what is counted by them is not. */
const CLIENT_ID_SHORT = 64

/** base64 with padding, strictly (RFC 7617 section 2); the scheme in any case (RFC 9110 section 11.1). */
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i

interface Secret {
  readonly client_id: string
  readonly client_secret: string
}

/** What a request shows of its sender. */
type Credentials =
  | { readonly method: 'none'; readonly client_id: string }
  | ({ readonly method: 'client_secret_basic' } & Secret)
  | ({ readonly method: 'client_secret_post' } & Secret)
  | { readonly method: 'private_key_jwt'; readonly client_id: string; readonly assertion: string }

/** Methods a client may use, by the one it registered: who has a password may always send it by Basic. */
const ACCEPTED: Readonly<Record<ClientAuthMethod, readonly ClientAuthMethod[]>> = {
  none: ['none'],
  client_secret_basic: ['client_secret_basic'],
  client_secret_post: ['client_secret_post', 'client_secret_basic'],
  private_key_jwt: ['private_key_jwt'],
}

interface Proven {
  readonly field: string
  readonly credentials: Credentials
  readonly client: Client
}

/**
 * The Authorization field that each connection authenticated with last: most requests show what the one before them did. It proves
 * the client for as long as the store gives the same object for it, which ends with any change. Guesses are counted all the same, and
 * compared with nothing that others have shown.
 */
const PROVEN = new WeakMap<object, Proven>()

/** The client that sends the request, authenticated if it is confidential. */
export async function authenticateClient(context: Context, call: Call): Promise<Client> {
  const credentials = readCredentials(call)
  if (credentials.method !== 'none') {
    const failures = await context.store.attempts(bucket(credentials, call.address), context.now())
    if (failures >= FAILURES_MAX) throw guessing()
  }
  const registered = await context.store.client(credentials.client_id)
  try {
    const client = fitting(registered, credentials)
    switch (credentials.method) {
      case 'none':
        break
      case 'private_key_jwt':
        await verifyAssertion(context, client, credentials.assertion)
        break
      case 'client_secret_basic':
        verifyField(call, client, credentials)
        break
      case 'client_secret_post':
        verifySecret(client, credentials.client_secret)
    }
    return client
  } catch (error) {
    if (!(error instanceof OAuthError) || error.error !== 'invalid_client') throw error
    await recordFailure(context, credentials, call.address, error.message)
    throw challenged(error.message)
  }
}

/** The client, if it is one and may authenticate in this way. */
function fitting(client: Client | undefined, { method }: Credentials): Client {
  if (client === undefined) {
    throw new OAuthError('invalid_client', 'there is no client with this client_id')
  }
  const registered = client.token_endpoint_auth_method
  if (ACCEPTED[registered].includes(method)) return client
  throw new OAuthError('invalid_client', `this client must authenticate by ${registered}`)
}

function verifyField(
  { connection, headers }: Call,
  client: Client,
  credentials: Extract<Credentials, { method: 'client_secret_basic' }>,
): void {
  const proven = PROVEN.get(connection)
  if (proven?.credentials === credentials && proven.client === client) return
  verifySecret(client, credentials.client_secret)
  const [field = ''] = headers.authorization
  PROVEN.set(connection, { field, credentials, client })
}

function verifySecret(client: Client, client_secret: string): void {
  const isRight = equalInConstantTime(digestOf(client_secret), client.client_secret_digest ?? '')
  if (!isRight) throw new OAuthError('invalid_client', 'the client secret is wrong')
}

function readCredentials(call: Call): Credentials {
  const form = call.parameters
  const authorization = call.headers.authorization
  const client_secret = form.optional('client_secret')
  const assertion = form.optional('client_assertion')
  const shown =
    authorization.length + Number(client_secret !== undefined) + Number(assertion !== undefined)
  if (shown > 1) {
    throw new OAuthError('invalid_request', 'the client must authenticate by one method only')
  }
  const client_id = form.optional('client_id')
  const [field] = authorization
  if (field !== undefined) {
    const proven = PROVEN.get(call.connection)
    const isProven = proven !== undefined && equalInConstantTime(proven.field, field)
    const credentials = isProven ? proven.credentials : basicCredentials(field)
    return matching(client_id, credentials)
  }
  if (assertion !== undefined) return matching(client_id, assertionCredentials(call, assertion))
  if (client_id === undefined) throw challenged('the client_id is missing')
  if (client_secret === undefined) return { method: 'none', client_id }
  return { method: 'client_secret_post', client_id, client_secret }
}

/** client_id and client_secret are form-urlencoded before Basic joins them (RFC 6749 section 2.3.1). */
function basicCredentials(field: string): Credentials {
  const malformed = () => challenged('the Authorization field is not well-formed Basic')
  const encoded = BASIC.exec(field)?.[1]
  if (encoded === undefined) throw malformed()
  const bytes = Buffer.from(encoded, 'base64')
  const pair = bytes.toString('utf8')
  const colon = pair.indexOf(':')
  if (bytes.toString('base64') !== encoded || colon === -1) throw malformed()
  try {
    const client_id = formDecode(pair.slice(0, colon))
    const client_secret = formDecode(pair.slice(colon + 1))
    return { method: 'client_secret_basic', client_id, client_secret }
  } catch {
    throw malformed()
  }
}

function assertionCredentials(call: Call, assertion: string): Credentials {
  if (call.parameters.required('client_assertion_type') !== CLIENT_ASSERTION_TYPE) {
    throw challenged(`the client_assertion_type must be ${CLIENT_ASSERTION_TYPE}`)
  }
  try {
    return { method: 'private_key_jwt', client_id: claimedClient(assertion), assertion }
  } catch (error) {
    throw error instanceof OAuthError ? challenged(error.message) : error
  }
}

function matching(client_id: string | undefined, credentials: Credentials): Credentials {
  if (client_id === undefined || client_id === credentials.client_id) return credentials
  throw new OAuthError('invalid_request', 'the client_id is not that of the credentials')
}

/** RFC 6749 section 5.2: 401 with a challenge that matches the scheme. */
function challenged(description: string): OAuthError {
  return new OAuthError('invalid_client', description, {
    headers: { 'WWW-Authenticate': 'Basic realm="coffer", charset="UTF-8"' },
  })
}

function bucket({ client_id }: Credentials, address: string): string {
  const short = client_id.length <= CLIENT_ID_SHORT ? client_id : digestOf(client_id)
  return `client secret ${networkOf(address)} ${short}`
}

function guessing(): OAuthError {
  return new OAuthError('temporarily_unavailable', 'too many wrong credentials; try again later', {
    status: 429,
    headers: { 'Retry-After': String(FAILURES_WINDOW_SECONDS) },
  })
}

async function recordFailure(
  context: Context,
  credentials: Credentials,
  address: string,
  detail: string,
): Promise<void> {
  const { client_id, method } = credentials
  context.audit({ type: 'client.authenticate', outcome: 'failure', client_id, address, detail })
  if (method === 'none') return
  const key = bucket(credentials, address)
  const failures = await context.store.countAttempt(key, FAILURES_WINDOW_SECONDS, context.now())
  if (failures !== FAILURES_MAX) return
  const refused = `${failures} wrong credentials; no more are looked at for a while`
  context.audit({
    type: 'client.limited',
    outcome: 'failure',
    client_id,
    address,
    detail: refused,
  })
}
