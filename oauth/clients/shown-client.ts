import { digestOf } from '../secrets.js'
import type { Client, Digest } from '../types.js'

/** What people go by when they let a client in: its name, and where the answer goes. With another one of these it is another client to them. */
export function shownClient({ client_name, application_type, redirect_uris }: Client): Digest {
  return digestOf(JSON.stringify([client_name, application_type, [...redirect_uris].sort()]))
}
