import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import { fileName } from '../storage/path.js'
import type { Place } from '../storage/storage.js'
import { HEADERS } from '../wire-headers.js'

/** What the first request of an upload said that counts when the last byte has come, as it is kept meanwhile. */
interface UploadDetails {
  readonly place: Place
  readonly headers: IncomingHttpHeaders
}

/** Its attributes, its conditions, what the whole is to be, who it was, and what HEAD repeats. */
const KEPT: readonly string[] = [
  HEADERS.mode,
  HEADERS.uid,
  HEADERS.gid,
  HEADERS.atime,
  HEADERS.mtime,
  HEADERS.ino,
  HEADERS.connection,
  'If-Match',
  'If-None-Match',
  'If-Unmodified-Since',
  'Repr-Digest',
  'Upload-Metadata',
].map((name) => name.toLowerCase())

const DETAILS = z.object({
  place: z.object({ directory: z.number(), name: z.string() }),
  headers: z.record(z.string(), z.string()),
})

export function uploadDetails(place: Place, headers: IncomingHttpHeaders): string {
  const kept = Object.entries(headers).filter(([name]) => KEPT.includes(name))
  return JSON.stringify({ place, headers: Object.fromEntries(kept) })
}

export function parseUploadDetails(details: string): UploadDetails {
  const { place, headers } = DETAILS.parse(JSON.parse(details))
  return { place: { directory: place.directory, name: fileName(place.name) }, headers }
}
