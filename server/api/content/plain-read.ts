import type { IncomingMessage, ServerResponse } from 'node:http'
import { wholeSeconds } from '../../http/date.js'
import type { AtHand, Inode } from '../../storage/storage.js'
import { validatorFields, wholeFields } from './content-plan.js'

/**
 * Fields that say nothing about which answer is wanted to a GET of a file. A request with any other goes the long way, so that
 * whatever is learned there one day need not be thought of here.
 */
const PLAIN_FIELDS: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'user-agent', 'authorization', 'dpop', 'cookie'],
  ...['accept', 'accept-encoding', 'accept-language', 'cache-control', 'pragma'],
  ...['via', 'forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'],
])

/** Whether all of a file is wanted, whatever it is by now, and nothing else. */
export function isPlainRead({ method, rawHeaders }: IncomingMessage, query: string): boolean {
  if (method !== 'GET' || query !== '') return false
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!PLAIN_FIELDS.has((rawHeaders[at] ?? '').toLowerCase())) return false
  }
  return true
}

/** The same answer as `answerContent` gives to such a request, at once. */
export function answerAtHand(
  { inode, data }: AtHand,
  response: ServerResponse,
  clock: () => Date,
): void {
  response.writeHead(200, fieldsOf(inode, clock()))
  response.end(data)
}

const spelled = new WeakMap<Inode, string[]>()

/** Names and values by turns. They stay the same for as long as the inode does, once its mtime has come. */
function fieldsOf(inode: Inode, now: Date): string[] {
  const known = spelled.get(inode)
  if (known !== undefined) return known
  const fields: string[] = []
  const all = { ...validatorFields(inode, now), ...wholeFields(inode) }
  for (const [name, value] of Object.entries(all)) fields.push(name, String(value))
  if (wholeSeconds(inode.mtime) * 1000 <= now.getTime()) spelled.set(inode, fields)
  return fields
}
