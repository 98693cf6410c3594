/** Bodies of requests: a form (RFC 6749 section 4.1.3) or a JSON object (RFC 7591 section 3.1), in UTF-8. */
import { isAscii } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { OAuthError } from '../errors.js'
import { strictObject } from '../jose/strict-json.js'
import { Parameters, parseForm } from './parameters.js'

/** A media type, with no charset but UTF-8; parameters = *( OWS ";" OWS [ parameter ] ) (RFC 9110 sections 5.6.6 and 8.3.1). */
const FORM = /^application\/x-www-form-urlencoded[ \t]*(?:;[ \t]*(?:charset="?utf-8"?)?)?$/i
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*(?:charset="?utf-8"?)?)?$/i

const BODY_MAX = 64 * 1024

const EMPTY = Buffer.alloc(0)

/**
 * Whether all of the body is here, read or not: Node may hand on its last byte before it says that it was the last, and lets what
 * waits go on in between.
 */
export function bodyIsHere(request: IncomingMessage): boolean {
  return request.complete || String(request.readableLength) === request.headers['content-length']
}

/** The whole body, which is small; one that is larger, or packed, is refused. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new OAuthError('invalid_request', 'the body must not be encoded', { status: 415 })
  }
  // Most bodies come with their header: then all of it is here by the end of this turn, and no event is needed.
  await undefined
  if (bodyIsHere(request) && request.readableLength <= BODY_MAX && !request.readableFlowing) {
    // By its length: from Node.js 26 on, one piece is given to who does not say how much.
    const whole: Buffer | null = request.read(request.readableLength)
    // The end, of which Node tells a moment later, is not to wait for a reader.
    if (!request.complete) request.resume()
    return whole ?? EMPTY
  }
  // By events: an asynchronous iterator costs several times as much for bodies as small as these.
  return new Promise((resolve, reject) => {
    if (request.destroyed) return reject(endedEarly())
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= BODY_MAX) chunks.push(chunk)
      else refuse(tooLarge())
    })
    request.once('end', () => resolve(Buffer.concat(chunks, length)))
    request.once('error', refuse)
    // Where the connection ends before the body does, there may be no error.
    request.once('close', () => {
      if (!request.complete) refuse(endedEarly())
    })

    // Paused, not destroyed: a destroyed request has no socket, and whoever answers it wants to know where it came from.
    function refuse(why: Error): void {
      chunks.length = 0
      request.pause().removeAllListeners('data')
      reject(why)
    }
  })
}

function endedEarly(): Error {
  return new Error('the connection ended before the body did')
}

function tooLarge(): OAuthError {
  return new OAuthError('invalid_request', `the body is larger than ${BODY_MAX} bytes`, {
    status: 413,
    headers: { Connection: 'close' },
  })
}

export function parseFormBody(contentType: string | undefined, body: Buffer): Parameters {
  if (body.length === 0 && contentType === undefined) return new Parameters([])
  if (!FORM.test(contentType ?? '')) {
    throw new OAuthError('invalid_request', 'the body must be application/x-www-form-urlencoded')
  }
  return parseForm(utf8(body))
}

export function parseJsonBody(contentType: string | undefined, body: Buffer): unknown {
  const value = JSON_TYPE.test(contentType ?? '') ? strictObject(utf8(body)) : undefined
  if (value !== undefined) return value
  throw new OAuthError('invalid_request', 'the body must be an object in application/json')
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function utf8(body: Buffer): string {
  if (isAscii(body)) return body.toString('latin1')
  try {
    return UTF8.decode(body)
  } catch (cause) {
    throw new OAuthError('invalid_request', 'the body is not UTF-8', { cause })
  }
}
