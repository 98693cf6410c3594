import { randomBytes } from 'node:crypto'
import { contentRange } from './content-range.js'
import type { ByteRange } from './range.js'

/** multipart/byteranges (RFC 9110 section 14.6). */

/**
 * A delimiter that is not in the content (RFC 2046 section 5.1.1): drawn for each answer, because a file may be an earlier
 * answer that somebody saved.
 */
export function newBoundary(): string {
  return `coffer-${randomBytes(16).toString('hex')}`
}

export function byterangesType(boundary: string): string {
  return `multipart/byteranges; boundary=${boundary}`
}

export function byterangesLength(
  boundary: string,
  parts: readonly ByteRange[],
  size: number,
): number {
  const bytes = parts.map(
    (part) => heading(boundary, part, size).length + part.last - part.first + 1,
  )
  return bytes.reduce((sum, length) => sum + length, ending(boundary).length)
}

/** @param content yields the bytes of one part */
export async function* byteranges(
  boundary: string,
  parts: readonly ByteRange[],
  size: number,
  content: (part: ByteRange) => AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  for (const part of parts) {
    yield Buffer.from(heading(boundary, part, size))
    yield* content(part)
  }
  yield Buffer.from(ending(boundary))
}

function heading(boundary: string, part: ByteRange, size: number): string {
  return `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: ${contentRange(part, size)}\r\n\r\n`
}

function ending(boundary: string): string {
  return `\r\n--${boundary}--\r\n`
}
