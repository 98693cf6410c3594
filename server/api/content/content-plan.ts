import type { OutgoingHttpHeaders } from 'node:http'
import { FileError } from '../../errors.js'
import { byteranges, byterangesLength, byterangesType, newBoundary } from '../../http/byteranges.js'
import { conditions, evaluate, rangeApplies } from '../../http/conditional.js'
import { attachment } from '../../http/content-disposition.js'
import { contentRange } from '../../http/content-range.js'
import { lastModified } from '../../http/date.js'
import { field } from '../../http/field.js'
import { type ByteRange, parseRange } from '../../http/range.js'
import { Refusal } from '../../http/refusal.js'
import type { Content, Inode } from '../../storage/storage.js'
import { inodeFields } from '../exchange/answer.js'
import { etagOf } from '../exchange/attributes.js'
import type { Exchange } from '../exchange/exchange.js'
import { failed } from '../exchange/preconditions.js'

const READ_BYTES = 256 * 1024
const CONTENT_TYPE = 'application/octet-stream'

/** What is answered to a request for a file's bytes, before any of them is read. */
export interface Plan {
  readonly status: 200 | 206 | 304
  readonly fields: OutgoingHttpHeaders
  readonly parts: readonly ByteRange[]
  /** What stands between several parts. */
  readonly boundary?: string
}

/**
 * Conditions come first, then If-Range, then Range (RFC 9110 section 13.2.2).
 * @throws PreconditionFailed, Refusal 416
 */
export function plan({ request, query, names, clock }: Exchange, inode: Inode): Plan {
  const now = clock()
  const { headers } = request
  const current = { etag: etagOf(inode), modified: inode.mtime }
  const fields = validatorFields(inode, now)
  const outcome = evaluate(conditions(headers, now), 'read', current)
  if (outcome.kind === 'failed') throw failed(outcome.field, current)
  if (outcome.kind === 'notModified') return { status: 304, fields, parts: [] }
  if (query.has('download')) fields['Content-Disposition'] = attachment(names.at(-1) ?? 'download')
  fields['Content-Type'] = CONTENT_TYPE
  // Range is defined for GET alone (RFC 9110 section 14.2)
  const applies = request.method === 'GET' && rangeApplies(field(headers, 'If-Range'), current)
  const range = parseRange(applies ? headers.range : undefined, inode.size)
  switch (range.kind) {
    case 'unsatisfiable':
      throw new Refusal(416, range.why, { 'Content-Range': `bytes */${inode.size}` })
    case 'whole': {
      Object.assign(fields, wholeFields(inode))
      const parts = inode.size === 0 ? [] : [{ first: 0, last: inode.size - 1 }]
      return { status: 200, fields, parts }
    }
    case 'parts': {
      const [one, ...more] = range.parts
      if (more.length === 0) {
        fields['Content-Range'] = contentRange(one, inode.size)
        fields['Content-Length'] = one.last - one.first + 1
        return { status: 206, fields, parts: range.parts }
      }
      const boundary = newBoundary()
      fields['Content-Type'] = byterangesType(boundary)
      fields['Content-Length'] = byterangesLength(boundary, range.parts, inode.size)
      return { status: 206, fields, parts: range.parts, boundary }
    }
  }
}

/** What is said of a file, also to who has it already. */
export function validatorFields(inode: Inode, now: Date): OutgoingHttpHeaders {
  return {
    ...inodeFields(inode),
    ETag: etagOf(inode),
    'Last-Modified': lastModified(inode.mtime, now),
    'Accept-Ranges': 'bytes',
  }
}

/** What is said of all of its bytes, beside that. */
export function wholeFields(inode: Inode): OutgoingHttpHeaders {
  return { 'Content-Type': CONTENT_TYPE, 'Content-Length': inode.size }
}

/** The bytes of the answer: those of the parts, with what stands between them if there are several. */
export function body(
  content: Content,
  { parts, boundary }: Pick<Plan, 'parts' | 'boundary'>,
): AsyncIterable<Buffer> {
  const [one] = parts
  if (one === undefined) return nothing()
  if (boundary === undefined) return pieces(content, one)
  return byteranges(boundary, parts, content.inode.size, (part) => pieces(content, part))
}

async function* nothing(): AsyncGenerator<Buffer> {}

async function* pieces(content: Content, { first, last }: ByteRange): AsyncGenerator<Buffer> {
  for (let position = first; position <= last; ) {
    const data = await content.read(position, Math.min(READ_BYTES, last - position + 1))
    if (data.length === 0) throw shortened()
    position += data.length
    yield data
  }
}

export function shortened(): FileError {
  return new FileError('EBUSY', 'the file became shorter while it was read; read it again')
}
