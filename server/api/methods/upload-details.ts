import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import { fileName } from '../../storage/path.js'
import type { Place } from '../../storage/storage.js'
import { HEADERS } from '../../wire/headers.js'

/** What the first request of an upload said that counts when the last byte has come, as it is kept meanwhile. */
interface UploadDetails {
  readonly place: Place
  readonly headers: IncomingHttpHeaders
  /** Its name: the secret is nobody's but the client's. */
  readonly connection?: string | undefined
}

/** Its attributes, its conditions, what the whole is to be, and what HEAD repeats. */
const KEPT: readonly string[] = [
  HEADERS.mode,
  HEADERS.uid,
  HEADERS.gid,
  HEADERS.atime,
  HEADERS.mtime,
  HEADERS.ino,
  'If-Match',
  'If-None-Match',
  'If-Unmodified-Since',
  'Repr-Digest',
  'Upload-Metadata',
].map((name) => name.toLowerCase())

const DETAILS = z.object({
  place: z.object({ directory: z.number(), name: z.string() }),
  headers: z.record(z.string(), z.string()),
  connection: z.string().optional(),
})

export function uploadDetails({ place, headers, connection }: UploadDetails): string {
  const kept = Object.entries(headers).filter(([name]) => KEPT.includes(name))
  return JSON.stringify({ place, headers: Object.fromEntries(kept), connection })
}

export function parseUploadDetails(details: string): UploadDetails {
  const { place, headers, connection } = DETAILS.parse(JSON.parse(details))
  return { place: { directory: place.directory, name: fileName(place.name) }, headers, connection }
}
