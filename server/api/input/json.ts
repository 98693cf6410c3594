import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { FileError } from '../../errors.js'
import type { Admitted } from '../exchange/exchange.js'
import { wholeContent } from './body.js'

/** media-type = type "/" subtype parameters (RFC 9110 section 8.3.1), without the parameters; "" where it is missing. */
export function mediaType({ headers }: IncomingMessage): string {
  const [type = ''] = (headers['content-type'] ?? '').split(';')
  return type.trim().toLowerCase()
}

/** A bounded JSON body of the shape asked for. @throws FileError EINVAL, E2BIG */
export async function jsonContent<T>(exchange: Admitted, schema: z.ZodType<T>): Promise<T> {
  const body = await wholeContent(exchange, exchange.limits.jsonBytes)
  return parseJson(body, schema)
}

/** @throws FileError EINVAL */
function parseJson<T>(body: Uint8Array, schema: z.ZodType<T>): T {
  return validated(json(body), schema)
}

/** @throws FileError EINVAL */
export function validated<T>(value: unknown, schema: z.ZodType<T>): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  // Only of what is refused: a parse that is given `error` takes several times as long, even if it succeeds.
  const { error } = schema.safeParse(value, { error: explained })
  const issues = (error ?? result.error).issues.map(
    ({ path, message }) => `${path.length === 0 ? 'the JSON' : `"${path.join('.')}"`} ${message}`,
  )
  throw new FileError('EINVAL', issues.slice(0, 5).join('; '))
}

const KINDS: Readonly<Record<string, string>> = {
  array: 'an array',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  string: 'a string',
}

/** Says what the JSON must be, where the schema itself does not. */
function explained(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${KINDS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be ${quoted(issue.values)}`
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options)
        ? `must be ${quoted(issue.options)}`
        : undefined
    case 'too_small':
      return isNumber(issue.origin) ? `must be at least ${issue.minimum}` : undefined
    case 'too_big':
      return isNumber(issue.origin) ? `must be at most ${issue.maximum}` : undefined
    case 'unrecognized_keys': {
      const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : []
      const refused = `must not have ${quoted(issue.keys.slice(0, 5))}`
      return known.length === 0 ? refused : `${refused}; it may have ${quoted(known)}`
    }
    default:
      return undefined
  }
}

/** `int` is what lies outside of what JSON can say exactly. */
function isNumber(origin: string): boolean {
  return origin === 'number' || origin === 'int'
}

function quoted(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(' or ')
}

function json(body: Uint8Array): unknown {
  try {
    // fatal: RFC 8259 section 8.1 allows UTF-8 alone
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (cause) {
    throw new FileError('EINVAL', 'the body must be JSON in UTF-8', { cause })
  }
}
