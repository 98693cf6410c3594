/** The user's side of a device authorization (RFC 8628 section 3.3): enter the code, see who asks, decide. */
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import { networkOf } from '../http/network.js'
import { seal, unseal } from '../sealed.js'
import { digestOf } from '../secrets.js'
import type { ConsentPage, MessagePage } from '../shown-pages.js'
import type { BrowserSession, DeviceAuthorization, Digest } from '../types.js'
import { newGrant } from './new-grant.js'
import { formatUserCode, parseUserCode } from './user-code.js'

/** Wrong user codes that a session, an address or an account may enter within the window (RFC 8628 section 5.1). */
const FAILURES_MAX = 5
const FAILURES_WINDOW_SECONDS = 600

export type UserCodeStep =
  | { readonly kind: 'consent'; readonly page: Omit<ConsentPage, 'action'> }
  | { readonly kind: 'again'; readonly problem: string }

/** The user entered a code: shows who asks, from where, for what (RFC 8628 section 5.4). */
export async function enterUserCode(
  context: Context,
  entered: string,
  session: BrowserSession,
  address: string,
): Promise<UserCodeStep> {
  const buckets = [`sid ${session.sid}`, `sub ${session.sub}`, `address ${networkOf(address)}`].map(
    (key) => `user code ${key}`,
  )
  if (!(await mayGuess(context, buckets))) {
    return { kind: 'again', problem: 'Too many wrong codes. Wait ten minutes, then try again.' }
  }
  const letters = parseUserCode(entered)
  const device =
    letters === undefined
      ? undefined
      : await context.store.waitingDevice(digestOf(letters), context.now())
  const client = device && (await context.store.client(device.client_id))
  if (letters === undefined || device === undefined || client === undefined) {
    const { sub } = session
    context.audit({
      type: 'device.code',
      outcome: 'failure',
      sub,
      address,
      detail: 'wrong user code',
    })
    return {
      kind: 'again',
      problem: 'This code is not known or has expired. Check what the device shows.',
    }
  }
  for (const bucket of buckets) await context.store.takeBackAttempt(bucket, context.now())
  return {
    kind: 'consent',
    page: consentPage(context, device, client.client_name, letters, session),
  }
}

/** Counts a code as a wrong one before it is looked at: otherwise many that come together would all be looked at. */
async function mayGuess({ store, now }: Context, buckets: readonly string[]): Promise<boolean> {
  for (const bucket of buckets) {
    if ((await store.attempts(bucket, now())) >= FAILURES_MAX) return false
  }
  const counts = buckets.map((bucket) => store.countAttempt(bucket, FAILURES_WINDOW_SECONDS, now()))
  return (await Promise.all(counts)).every((count) => count <= FAILURES_MAX)
}

function consentPage(
  context: Context,
  device: DeviceAuthorization,
  client_name: string,
  letters: string,
  { sid, sub }: BrowserSession,
): Omit<ConsentPage, 'action'> {
  const content: Confirmation = { userCode: device.userCodeDigest, sid, sub }
  return {
    fields: { request: seal(context.derived.sealing, PURPOSE, JSON.stringify(content)) },
    client_id: device.client_id,
    client_name,
    scopes: device.scope.split(' ').map((scope) => ({ scope, required: scope === 'openid' })),
    resource: device.resource,
    destination: 'the device that shows this code',
    formAction: [],
    ...(device.deviceName !== undefined && { deviceName: device.deviceName }),
    device: {
      user_code: formatUserCode(letters),
      address: device.address,
      requestedAt: new Date(device.createdAt),
    },
  }
}

/** What the confirmation form carries: bound to the session that entered the code (RFC 10027). */
interface Confirmation {
  readonly userCode: Digest
  readonly sid: string
  readonly sub: string
}
const PURPOSE = 'device confirmation'

export interface DeviceDecision {
  readonly request: string
  readonly decision: string | undefined
  readonly ticked: readonly string[]
}

export async function decideDevice(
  context: Context,
  { request, decision, ticked }: DeviceDecision,
  session: BrowserSession,
): Promise<MessagePage> {
  const text = unseal(context.derived.sealing, PURPOSE, request)
  const confirmation: Confirmation | undefined = text === undefined ? undefined : JSON.parse(text)
  if (confirmation?.sid !== session.sid || confirmation.sub !== session.sub) {
    throw new OAuthError(
      'access_denied',
      'this page belongs to another sign-in: enter the code again',
      {
        status: 403,
      },
    )
  }
  const at = context.now()
  const device = await context.store.waitingDevice(confirmation.userCode, at)
  const scope = (device?.scope ?? '')
    .split(' ')
    .filter((token) => token === 'openid' || ticked.includes(token))
  const { sub, address } = session
  if (device === undefined) return SETTLED
  const { client_id } = device
  if (decision !== 'allow' || scope.length === 0) {
    await context.store.denyDevice(confirmation.userCode, at)
    context.audit({
      type: 'device.consent',
      outcome: 'failure',
      sub,
      client_id,
      address,
      detail: 'denied by the user',
    })
    return { title: 'Denied', message: 'The device gets no access. You can close this page.' }
  }
  const grant = newGrant(context, session, {
    client_id,
    scope: scope.join(' '),
    resource: device.resource,
    lastUsedFrom: device.address,
    ...(device.deviceName !== undefined && { deviceName: device.deviceName }),
  })
  if (!(await context.store.approveDevice(confirmation.userCode, grant, at))) return SETTLED
  const { grantId } = grant
  context.audit({
    type: 'device.consent',
    outcome: 'success',
    sub,
    client_id,
    grantId,
    address,
    detail: grant.scope,
  })
  return { title: 'Done', message: 'The device is signed in. You can close this page.' }
}

/** Also what a form that was sent twice is answered, or a page that was loaded again: the device may well be signed in. */
const SETTLED: MessagePage = {
  title: 'Nothing left to decide',
  message:
    'This was answered already, or the code has expired. If the device is not signed in, start again there.',
}
