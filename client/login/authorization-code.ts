import { randomBytes } from 'node:crypto'
import { code_challenge_method, codeChallenge, createCodeVerifier } from '../../oauth/pkce.js'
import { CommandError } from '../command-error.js'
import type { Send } from '../http/exchange.js'
import { unlessStopped } from '../unless-stopped.js'
import type { Authority } from './discovery.js'
import type { DpopKey } from './dpop.js'
import { type CallbackRequest, openLoopback } from './loopback.js'
import { Refused, requestTokens } from './token-endpoint.js'
import type { Tokens } from './tokens.js'

/** The built-in public client of every Coffer server. */
export const CLIENT_ID = 'coffer'

/** What is to be logged in for, whichever way the user is asked. */
export interface LoginTerms {
  readonly authority: Authority
  readonly scope: string
  readonly send: Send
  readonly clock: () => number
  /** Binds the tokens to this key. */
  readonly key?: DpopKey | undefined
  /** What the user will find this device by at the server. */
  readonly deviceName?: string | undefined
  /** Aborted when the user gives up or waited too long. */
  readonly signal: AbortSignal
}

export interface CodeLogin extends LoginTerms {
  /** Tells the user where to go. */
  readonly show: (authorizationUrl: string) => void
}

/** Authorization code with PKCE through the browser (RFC 6749 section 4.1, RFC 7636, RFC 8252 section 7.3, RFC 9207). */
export async function loginByCode(login: CodeLogin): Promise<Tokens> {
  const state = randomBytes(16).toString('base64url')
  const code_verifier = createCodeVerifier()
  const loopback = await openLoopback(state)
  try {
    const { redirect_uri } = loopback
    login.show(authorizationUrl(login, redirect_uri, state, code_verifier))
    const callback = await unlessStopped(loopback.response, login.signal)
    try {
      const code = codeFrom(callback, login.authority)
      const tokens = await redeem(login, { code, code_verifier, redirect_uri })
      callback.answer({
        status: 200,
        title: 'You are logged in',
        text: 'Coffer can use your files now. You may close this window.',
      })
      return tokens
    } catch (error) {
      const text = error instanceof CommandError || error instanceof Refused ? error.message : ''
      callback.answer({ status: 400, title: 'The login failed', text })
      throw error
    }
  } finally {
    await loopback.close()
  }
}

function authorizationUrl(
  { authority, scope, key, deviceName }: CodeLogin,
  redirect_uri: string,
  state: string,
  code_verifier: string,
): string {
  const url = new URL(authority.authorization_endpoint)
  const parameters = {
    response_type: 'code',
    client_id: CLIENT_ID,
    redirect_uri,
    scope,
    state,
    code_challenge: codeChallenge(code_verifier),
    code_challenge_method,
    resource: authority.resource,
    ...(deviceName === undefined ? {} : { device_name: deviceName }),
    // The code too is of no use to anybody without the key (RFC 9449 section 10).
    ...(key === undefined ? {} : { dpop_jkt: key.thumbprint }),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** @throws CommandError unless the response is from the server that was asked, and brings a code */
function codeFrom({ parameters }: CallbackRequest, authority: Authority): string {
  const iss = parameters.get('iss')
  // RFC 9207 section 2.4
  if (iss === null ? authority.sendsIssuer : iss !== authority.issuer) {
    throw new CommandError(
      `the answer came from ${iss ?? 'an unnamed server'} and not from ${authority.issuer}; nothing was sent to it. Start again.`,
    )
  }
  const error = parameters.get('error')
  if (error === 'access_denied')
    throw new CommandError('You said no in the browser; nothing has changed.')
  if (error !== null) throw new Refused(error, parameters.get('error_description') ?? '')
  const code = parameters.get('code')
  if (code === null)
    throw new CommandError('the answer in the browser brought no code; start again')
  return code
}

function redeem(
  { authority, scope, send, clock, key, signal }: CodeLogin,
  grant: { code: string; code_verifier: string; redirect_uri: string },
): Promise<Tokens> {
  const endpoint = { client_id: CLIENT_ID, token_endpoint: authority.token_endpoint, scope }
  const form = { grant_type: 'authorization_code', resource: authority.resource, ...grant }
  return requestTokens({ send, endpoint, grant: form, now: clock(), key, signal })
}
