/** The endpoints that programs call, in one table. */

import { authorizeDevice } from '../authorization/device-authorization.js'
import { push } from '../authorization/pushed.js'
import type { Context } from '../context.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import { jwksMaxAge } from '../keys/key-rotation.js'
import { metadataPath, protectedResourceMetadata } from '../resource-server/protected-resource.js'
import type { VerifiedTokens } from '../tokens/verified-tokens.js'
import { introspect } from './introspect.js'
import { serverMetadata } from './metadata.js'
import {
  deleteRegistration,
  readRegistration,
  register,
  updateRegistration,
} from './registration.js'
import { revoke } from './revoke.js'
import { token } from './token.js'
import { userinfo } from './userinfo.js'

export interface Sent {
  /** The JSON body, where the endpoint takes one. */
  readonly content: unknown
  /** The last segment of the path, where it is variable. */
  readonly client_id: string
}

export interface Endpoint {
  readonly path: string
  readonly methods: Readonly<Record<string, (call: Call, sent: Sent) => Promise<Answer>>>
  readonly body: 'form' | 'json'
  /** Whether applications in browsers may call it, of whatever origin; else only servers do. */
  readonly forBrowsers: boolean
  /** Seconds that the answer may be kept by anybody; 0: by nobody (RFC 6749 section 5.1). */
  readonly maxAge: number
}

const METADATA_MAX_AGE = 3600

export function endpointsOf(context: Context, tokens: VerifiedTokens): readonly Endpoint[] {
  const { base } = context
  const form = (path: string, methods: Endpoint['methods']): Endpoint => ({
    path: base + path,
    methods,
    body: 'form',
    forBrowsers: true,
    maxAge: 0,
  })
  const document = (path: string, maxAge: number, read: () => Promise<object>): Endpoint => ({
    path,
    methods: { GET: async () => ({ status: 200, body: await read() }) },
    body: 'form',
    forBrowsers: true,
    maxAge,
  })
  const metadata = async () => serverMetadata(context)
  const resource = async () => protectedResourceMetadata(context)
  const always = [
    form('/token', { POST: (call) => token(context, call) }),
    form('/revoke', { POST: (call) => revoke(context, call) }),
    {
      ...form('/introspect', { POST: (call) => introspect(context, tokens, call) }),
      forBrowsers: false,
    },
    form('/par', { POST: (call) => push(context, call) }),
    form('/device_authorization', { POST: (call) => authorizeDevice(context, call) }),
    form('/userinfo', {
      GET: (call) => userinfo(context, tokens, call),
      POST: (call) => userinfo(context, tokens, call),
    }),
    document(`${base}/jwks`, jwksMaxAge(context.lifetimes), () => context.keys.jwks()),
    // Before the path of the issuer (RFC 8414 section 3.1), but after it for OpenID Connect (Discovery section 4.1).
    document(`/.well-known/oauth-authorization-server${base}`, METADATA_MAX_AGE, metadata),
    document(`${base}/.well-known/openid-configuration`, METADATA_MAX_AGE, metadata),
    document(metadataPath(context.resource), METADATA_MAX_AGE, resource),
  ]
  return context.registration === 'open' ? [...always, ...registration(context, base)] : always
}

/** RFC 7591 section 3 and RFC 7592 section 2 */
function registration(context: Context, base: string): readonly Endpoint[] {
  return [
    {
      path: `${base}/register`,
      methods: { POST: (call, { content }) => register(context, call, content) },
      body: 'json',
      forBrowsers: true,
      maxAge: 0,
    },
    {
      path: `${base}/register/:client_id`,
      methods: {
        GET: (call, { client_id }) => readRegistration(context, call, client_id),
        PUT: (call, { client_id, content }) =>
          updateRegistration(context, call, client_id, content),
        DELETE: (call, { client_id }) => deleteRegistration(context, call, client_id),
      },
      body: 'json',
      forBrowsers: true,
      maxAge: 0,
    },
  ]
}
