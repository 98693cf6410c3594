import type { IncomingMessage } from 'node:http'
import type { ZodType } from 'zod'
import { FileError } from '../errors.js'
import { wholeContent } from './body.js'
import type { Exchange } from './exchange.js'

/** media-type = type "/" subtype parameters (RFC 9110 section 8.3.1), without the parameters; "" where it is missing. */
export function mediaType({ headers }: IncomingMessage): string {
  const [type = ''] = (headers['content-type'] ?? '').split(';')
  return type.trim().toLowerCase()
}

/** A bounded JSON body of the shape asked for. @throws FileError EINVAL, E2BIG */
export async function jsonContent<T>(exchange: Exchange, schema: ZodType<T>): Promise<T> {
  const body = await wholeContent(exchange, exchange.limits.jsonBytes)
  return parseJson(body, schema)
}

/** @throws FileError EINVAL */
export function parseJson<T>(body: Uint8Array, schema: ZodType<T>): T {
  return validated(json(body), schema)
}

/** @throws FileError EINVAL */
export function validated<T>(value: unknown, schema: ZodType<T>): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'it'}: ${message}`,
  )
  throw new FileError(
    'EINVAL',
    `the JSON does not say what it must: ${issues.slice(0, 5).join('; ')}`,
  )
}

function json(body: Uint8Array): unknown {
  try {
    // fatal: RFC 8259 section 8.1 allows UTF-8 alone
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (cause) {
    throw new FileError('EINVAL', 'the body must be JSON in UTF-8', { cause })
  }
}
