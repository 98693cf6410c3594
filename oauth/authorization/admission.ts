/** What anybody may leave in the store before a user has agreed to anything: pushed requests and device codes. */

import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Call } from '../http/call.js'
import type { Client } from '../types.js'

const WINDOW_SECONDS = 300

/**
 * Public clients can be played by anybody, from many addresses; so there is a bound for each client, too (RFC 9126 section
 * 2.3). The site in front has one for each address.
 */
export async function admitUnfinished(
  context: Context,
  { client_id }: Client,
  { address }: Call,
): Promise<void> {
  const bucket = `unfinished ${client_id}`
  const made = await context.store.countAttempt(bucket, WINDOW_SECONDS, context.now())
  const most = context.unfinishedPerClient
  if (made <= most) return
  if (made === most + 1) {
    const detail = `more than ${most} authorizations begun within ${WINDOW_SECONDS} seconds`
    context.audit({ type: 'client.limited', outcome: 'failure', client_id, address, detail })
  }
  throw new OAuthError('temporarily_unavailable', 'too many requests of this client; come later', {
    status: 429,
    headers: { 'Retry-After': String(WINDOW_SECONDS) },
  })
}
