import { contentRange } from './content-range.js'
import type { ByteRange } from './range.js'

/** multipart/byteranges (RFC 9110 section 14.6). */

/** Long enough never to appear in content by chance; a reader goes by Content-Range anyway. */
const BOUNDARY = 'coffer-5f1d4cc97bb5c2ae34af10b8a2c6e0d1'
const END = `\r\n--${BOUNDARY}--\r\n`

export const byterangesType = `multipart/byteranges; boundary=${BOUNDARY}`

export function byterangesLength(parts: readonly ByteRange[], size: number): number {
  const bytes = parts.map((part) => heading(part, size).length + part.last - part.first + 1)
  return bytes.reduce((sum, length) => sum + length, END.length)
}

/** @param content yields the bytes of one part */
export async function* byteranges(
  parts: readonly ByteRange[],
  size: number,
  content: (part: ByteRange) => AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  for (const part of parts) {
    yield Buffer.from(heading(part, size))
    yield* content(part)
  }
  yield Buffer.from(END)
}

function heading(part: ByteRange, size: number): string {
  return `\r\n--${BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Range: ${contentRange(part, size)}\r\n\r\n`
}
