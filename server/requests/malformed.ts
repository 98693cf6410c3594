import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { PROBLEM_TYPE } from '../api/exchange/problem.js'
import { type ParserError, waitsForParser } from '../connections/paused-parser.js'
import { afterAnswers, answering } from '../connections/pipeline.js'
import type { WireProblem } from '../wire/errors.js'

/** What is answered to bytes that are no request, with the errno name that programs get beside the status. */
const REFUSALS = {
  400: ['EINVAL', 'this is no HTTP/1.1 request'],
  408: ['EIO', 'the request took too long to arrive'],
  413: ['E2BIG', 'the extensions of a chunk are too long'],
  431: ['E2BIG', 'the request line and the header fields are too long'],
  501: ['ENOTSUP', 'no such method is known here'],
  505: ['ENOTSUP', 'this server speaks HTTP/1.1'],
} as const
type Status = keyof typeof REFUSALS

/** The codes of Node's parser that are more than "this is no request". */
const STATUSES: Readonly<Record<string, Status>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
}
/** Those that are a request all the same where the first line is one. */
const OF_THE_LINE: Readonly<Record<string, Status>> = {
  HPE_INVALID_METHOD: 501,
  HPE_INVALID_VERSION: 505,
}
/** request-line = method SP request-target SP HTTP-version (RFC 9112 section 3) */
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP\/\d\.\d\r?$/
const LONGEST_LINE = 16_384
/** So long the client may take to read the answer before what it still sends resets the connection (RFC 9112 section 9.6). */
const LINGER_MILLISECONDS = 2_000

/** Answers what never becomes a request, as a problem like all others (RFC 9457), and the last of its connection. */
export function refuseMalformed(server: Server<typeof IncomingMessage, typeof ServerResponse>) {
  const refused = new WeakSet<Socket>()

  const refuse = (status: Status, socket: Socket): void => {
    refused.add(socket)
    const current = answering(socket)
    if (current === undefined) answer(status, socket)
    // what is wrong comes after that request
    else if (current.req.complete) afterAnswers(socket, () => answer(status, socket))
    // it is its content, and its answer has begun: there cannot be another
    else if (current.headersSent) socket.destroy()
    else answer(status, socket)
  }

  server.on('clientError', (error: ParserError, stream: Duplex) => {
    // of a server that listens to connections it always is one
    const socket = stream as Socket
    // what comes after it is no request either, and is dropped
    if (refused.has(socket)) return
    if (waitsForParser(socket, error)) return
    if (socket.writable) refuse(statusOf(error), socket)
    else socket.destroy()
  })
  server.on('connect', (_request, stream: Duplex) => {
    stream.on('error', () => {})
    refuse(501, stream as Socket)
  })
}

function answer(status: Status, socket: Socket): void {
  const [code, detail] = REFUSALS[status]
  const title = STATUS_CODES[status] ?? 'Error'
  const problem: WireProblem = { type: 'about:blank', title, status, code, detail }
  const body = JSON.stringify(problem)
  socket.end(
    [
      `HTTP/1.1 ${status} ${title}`,
      'Connection: close',
      'Cache-Control: no-store',
      'X-Content-Type-Options: nosniff',
      `Content-Type: ${PROBLEM_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      `Date: ${new Date().toUTCString()}`,
      `\r\n${body}`,
    ].join('\r\n'),
  )
  const timer = setTimeout(() => socket.destroy(), LINGER_MILLISECONDS).unref()
  socket.once('end', () => socket.destroySoon())
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}

function statusOf({ code = '', rawPacket, bytesParsed = 0 }: ParserError): Status {
  const ofTheLine = OF_THE_LINE[code]
  if (ofTheLine === undefined || rawPacket === undefined) return STATUSES[code] ?? 400
  const start = bytesParsed === 0 ? 0 : rawPacket.lastIndexOf('\n', bytesParsed - 1) + 1
  const line = rawPacket
    .subarray(start, start + LONGEST_LINE)
    .toString('latin1')
    .split('\n', 1)
  return REQUEST_LINE.test(line[0] ?? '') ? ofTheLine : 400
}
