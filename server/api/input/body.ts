import type {
  IncomingHttpHeaders,
  IncomingMessage,
  RequestListener,
  Server,
  ServerResponse,
} from 'node:http'
import { FileError } from '../../errors.js'
import {
  type DigestFieldName,
  type ExpectedDigest,
  parseDigests,
  verified,
} from '../../http/digest.js'
import { field } from '../../http/field.js'
import { Refusal } from '../../http/refusal.js'
import type { Admitted } from '../exchange/exchange.js'
import { rawTarget } from '../exchange/target.js'
import { arriving } from './arriving.js'

/** What is left of a body nobody wants is read and dropped up to here, so that the client gets to read the answer. */
export const LINGER_BYTES = 16 * 1024 * 1024
export const LINGER_MILLISECONDS = 10_000

const DIGEST_FIELDS: readonly DigestFieldName[] = ['Content-Digest', 'Repr-Digest']

/** Requests whose client waits for 100 (Continue) before it sends the body. */
const awaitingContinue = new WeakSet<IncomingMessage>()

/**
 * Lets file requests with "Expect: 100-continue" be refused before their body is sent (RFC 9110 section 10.1.1): the
 * interim answer goes out only when the body is about to be read. Everything else gets it at once.
 */
export function deferContinue<Response extends typeof ServerResponse>(
  server: Server<typeof IncomingMessage, Response>,
  handle: RequestListener<typeof IncomingMessage, Response>,
): void {
  server.on('checkContinue', (request, response) => {
    if (rawTarget(request.url ?? '') === undefined) response.writeContinue()
    else awaitingContinue.add(request)
    handle(request, response)
  })
}

/**
 * The request's content as it comes, the pieces of a turn of the event loop at a time; never more than `limit` bytes. What
 * can be refused is refused before the first byte.
 * It has the digests that were announced, or at its end there is an error.
 * @throws Refusal 415, 501; FileError EFBIG, E2BIG; EINVAL when less comes than was announced, DigestMismatch
 */
export function contentPieces(
  { request, response }: Admitted,
  limit: number,
  tooLong: 'EFBIG' | 'E2BIG' = 'EFBIG',
  names: readonly DigestFieldName[] = DIGEST_FIELDS,
): AsyncGenerator<readonly Buffer[]> {
  const coding = request.headers['content-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    // content is kept as it comes, so a coding would become part of it (RFC 9110 section 8.4)
    throw new Refusal(415, 'send the content without Content-Encoding', {
      'Accept-Encoding': 'identity',
    })
  }
  const transfer = request.headers['transfer-encoding']
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked') {
    // Node undoes chunked alone; what else there is would become part of the content (RFC 9112 section 6.1)
    throw new Refusal(501, 'the only Transfer-Encoding that is understood is chunked')
  }
  if (Number(request.headers['content-length'] ?? 0) > limit) throw overLimit(tooLong, limit)
  const body = bounded(request, response, limit, tooLong)
  const digests = announcedDigests(request.headers, names)
  const trailing = announcedTrailers(request, names)
  if (digests.length === 0 && trailing.length === 0) return body
  if (trailing.length === 0) return verified(body, digests)
  return verified(body, digests, () => announcedDigests(request.trailers, trailing))
}

/** The same, piece by piece. */
export function content(
  exchange: Admitted,
  limit: number,
  tooLong: 'EFBIG' | 'E2BIG' = 'EFBIG',
): AsyncGenerator<Buffer> {
  return flat(contentPieces(exchange, limit, tooLong))
}

async function* flat(source: AsyncGenerator<readonly Buffer[]>): AsyncGenerator<Buffer> {
  for await (const pieces of source) yield* pieces
}

/**
 * What Content-Digest and Repr-Digest say of a request. As there is no coding between representation and content, both are about
 * the same bytes (RFC 9530 appendix A): in a PATCH those of the patch document, not of what it makes of the file (section 3.1).
 * @throws FileError EINVAL
 */
export function announcedDigests(
  fields: IncomingHttpHeaders,
  names: readonly DigestFieldName[] = DIGEST_FIELDS,
): ExpectedDigest[] {
  return names.flatMap((name) => {
    const digests = field(fields, name)
    return digests === undefined ? [] : parseDigests(name, digests)
  })
}

/** Which of them come behind the content, as Trailer tells beforehand (RFC 9110 section 6.6.2). */
function announcedTrailers(
  { headers }: IncomingMessage,
  names: readonly DigestFieldName[],
): readonly DigestFieldName[] {
  const trailers = headers.trailer?.toLowerCase().split(/[ \t,]+/)
  return trailers === undefined ? [] : names.filter((name) => trailers.includes(name.toLowerCase()))
}

async function* bounded(
  request: IncomingMessage,
  response: ServerResponse,
  limit: number,
  tooLong: 'EFBIG' | 'E2BIG',
): AsyncGenerator<readonly Buffer[]> {
  if (awaitingContinue.delete(request)) response.writeContinue()
  let size = 0
  for await (const pieces of arriving(request)) {
    for (const { length } of pieces) size += length
    if (size > limit) throw overLimit(tooLong, limit)
    yield pieces
  }
  if (!request.complete) throw new FileError('EINVAL', 'the body ended too early')
}

/** A small body in one piece. @throws FileError E2BIG */
export async function wholeContent(exchange: Admitted, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of content(exchange, limit, 'E2BIG')) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** How much comes, where the request says that. */
export function announcedBytes({ headers }: IncomingMessage): number | undefined {
  const length = headers['content-length']
  return length === undefined ? undefined : Number(length)
}

/** Whether the request has content at all (RFC 9112 section 6.3). */
export function hasContent({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** Before an error is answered: reads and drops a bounded rest of the body, then gives up on the connection. */
export function dropRest(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete || request.destroyed || !hasContent(request)) return
  if (awaitingContinue.delete(request)) {
    // the client may now send its body or leave it; only a new connection is certain (RFC 9110 section 10.1.1)
    response.setHeader('Connection', 'close')
    return
  }
  // begun to be read, so that Node does not drop it by itself, which would have no end
  request.read(0)
  let dropped = 0
  const giveUp = () => {
    // once all has come the connection belongs to the next request
    if (!request.complete) request.socket.destroy()
  }
  const timer = setTimeout(giveUp, LINGER_MILLISECONDS).unref()
  for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer))
  request.on('data', (chunk: Buffer) => {
    dropped += chunk.length
    if (dropped > LINGER_BYTES) giveUp()
  })
  request.resume()
}

function overLimit(code: 'EFBIG' | 'E2BIG', limit: number): FileError {
  return new FileError(code, `the body is longer than the ${limit} bytes allowed here`)
}
