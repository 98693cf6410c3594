import type { OutgoingHttpHeaders } from 'node:http'
import type { Inode } from '../../storage/storage.js'
import { HEADERS } from '../../wire/headers.js'
import { attributesField, attributesJson } from './attributes.js'
import type { Exchange } from './exchange.js'

/** Field names are spelled once; every answer about an inode has the same. */
export function inodeFields(inode: Inode): OutgoingHttpHeaders {
  return {
    [HEADERS.fileType]: inode.type,
    [HEADERS.attributes]: attributesField(inode),
    // private files, and every use asks again whether they changed (RFC 9111 section 5.2.2)
    'Cache-Control': 'private, no-cache',
  }
}

/** The attributes as the body. HEAD gets the same fields and no body. */
export function answerAttributes(
  exchange: Exchange,
  status: 200 | 201,
  inode: Inode,
  fields: OutgoingHttpHeaders = {},
): void {
  answerText(exchange, status, attributesJson(inode), { ...inodeFields(inode), ...fields })
}

export function answerJson(
  exchange: Exchange,
  status: 200 | 201,
  value: unknown,
  fields: OutgoingHttpHeaders = {},
): void {
  answerText(exchange, status, JSON.stringify(value), fields)
}

function answerText(
  { request, response }: Exchange,
  status: 200 | 201,
  json: string,
  fields: OutgoingHttpHeaders,
): void {
  const body = Buffer.from(json)
  response.writeHead(status, {
    ...fields,
    'Content-Type': 'application/json',
    'Content-Length': body.length,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** GET and HEAD: it is what the client has (RFC 9110 section 15.4.5). */
export function answerNotModified({ response }: Exchange, fields: OutgoingHttpHeaders): void {
  response.writeHead(304, fields)
  response.end()
}

/** Nothing but the status, and the attributes where there is something to tell them of. */
export function answerEmpty(
  { response }: Exchange,
  status: 201 | 204,
  inode: Inode | undefined,
  more: OutgoingHttpHeaders = {},
): void {
  const fields = inode === undefined ? more : { ...inodeFields(inode), ...more }
  response.writeHead(status, status === 201 ? { ...fields, 'Content-Length': 0 } : fields)
  response.end()
}
