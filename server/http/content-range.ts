import { FileError } from '../errors.js'
import type { ByteRange } from './range.js'

/** range-unit SP ( range-resp / unsatisfied-range ), here of a partial write (RFC 9110 sections 14.4 and 14.5) */
const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\*|\d+)$/i

/**
 * Where the body of a partial write goes.
 * @throws FileError EINVAL, EFBIG
 */
export function parseContentRange(field: string): ByteRange {
  const [, from, to, complete] = CONTENT_RANGE.exec(field) ?? []
  const first = Number(from)
  const last = Number(to)
  if (from === undefined || to === undefined || last < first) {
    throw new FileError('EINVAL', 'Content-Range must be: bytes FIRST-LAST/*')
  }
  if (complete !== '*' && last >= Number(complete)) {
    throw new FileError('EINVAL', 'Content-Range ends beyond the complete length it names')
  }
  if (!Number.isSafeInteger(last)) {
    throw new FileError('EFBIG', 'Content-Range lies beyond the largest size a file can have')
  }
  return { first, last }
}

/** The range of an answer (RFC 9110 section 14.4). */
export function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`
}
