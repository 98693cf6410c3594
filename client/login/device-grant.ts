import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { CommandError } from '../command-error.js'
import { ExchangeError } from '../http/exchange.js'
import { Busy } from '../http/retry.js'
import { jsonOrNothing } from './account.js'
import { CLIENT_ID, type LoginTerms } from './authorization-code.js'
import { httpsUrl } from './https-url.js'
import { postForm, Refused, refused, requestTokens } from './token-endpoint.js'
import type { Tokens } from './tokens.js'

/** Timers of Node that are set for more than 24 days go off at once. */
const LONGEST_INTERVAL_SECONDS = 3600

/** RFC 8628 section 3.2 */
const DEVICE_RESPONSE = z.object({
  device_code: z.string().min(1),
  user_code: z.string().regex(/^[\x20-\x7e]+$/),
  verification_uri: httpsUrl,
  verification_uri_complete: httpsUrl.optional(),
  expires_in: z.number().positive(),
  interval: z.number().min(1).max(LONGEST_INTERVAL_SECONDS).default(5),
})
type DeviceResponse = z.infer<typeof DEVICE_RESPONSE>

export interface DeviceLogin extends LoginTerms {
  /** Tells the user what to enter where. */
  readonly show: (what: { user_code: string; where: string; complete: string | undefined }) => void
  /** Waits between two questions; a test does not. */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code'

/** Section 3.5: what `slow_down` adds to the interval, for this and all later questions. */
const SLOWER_SECONDS = 5

/** Where there is no browser: the user confirms on another device (RFC 8628). */
export async function loginByDevice(login: DeviceLogin): Promise<Tokens> {
  const { clock, signal, show } = login
  const pause = login.pause ?? ((milliseconds) => delay(milliseconds, undefined, { signal }))
  const begun = clock()
  const device = await deviceAuthorization(login)
  show({
    user_code: device.user_code,
    where: device.verification_uri,
    complete: device.verification_uri_complete,
  })
  let interval = device.interval
  while (clock() - begun < device.expires_in * 1000) {
    await pause(interval * 1000, signal)
    const answer = await ask(login, device)
    if (typeof answer !== 'string') return answer
    if (answer === 'slow_down') interval += SLOWER_SECONDS
  }
  throw new CommandError('Nobody confirmed the code in time. Run the command again.')
}

async function deviceAuthorization(login: DeviceLogin) {
  const { authority, scope, send, signal, deviceName } = login
  const endpoint = authority.device_authorization_endpoint
  if (endpoint === undefined) {
    throw new CommandError(
      `${authority.issuer} does not know logins by code; log in without --device`,
    )
  }
  const name = deviceName === undefined ? {} : { device_name: deviceName }
  const form = { client_id: CLIENT_ID, scope, resource: authority.resource, ...name }
  const answer = await postForm(send, endpoint, form, {}, signal)
  if (answer.status !== 200) throw refused(answer)
  const parsed = DEVICE_RESPONSE.safeParse(jsonOrNothing(answer.body.toString()))
  if (!parsed.success) throw new Refused('server_error', 'the answer makes no sense')
  return parsed.data
}

/** @returns tokens, or why to ask again */
async function ask(
  { authority, scope, send, clock, key, signal }: DeviceLogin,
  { device_code }: DeviceResponse,
): Promise<Tokens | 'authorization_pending' | 'slow_down'> {
  const endpoint = { client_id: CLIENT_ID, token_endpoint: authority.token_endpoint, scope }
  const grant = { grant_type: GRANT_TYPE, device_code, resource: authority.resource }
  try {
    return await requestTokens({ send, endpoint, grant, now: clock(), key, signal })
  } catch (error) {
    // Section 3.5: a timeout of the connection means asking less often.
    if (error instanceof Busy) return 'slow_down'
    if (error instanceof ExchangeError && ['lost', 'unreachable'].includes(error.kind)) {
      return 'slow_down'
    }
    if (!(error instanceof Refused)) throw error
    switch (error.error) {
      case 'authorization_pending':
      case 'slow_down':
        return error.error
      case 'access_denied':
        throw new CommandError('The login was refused on the other device; nothing has changed.')
      // Used, or forgotten since it expired.
      case 'invalid_grant':
        throw new CommandError('The code is no longer good. Run the command again.')
      case 'expired_token':
        throw new CommandError('Nobody confirmed the code in time. Run the command again.')
      default:
        throw error
    }
  }
}
