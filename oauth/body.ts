/** Bodies of requests: a form (RFC 6749 section 4.1.3) or a JSON object (RFC 7591 section 3.1), in UTF-8. */
import { OAuthError } from './errors.js'
import { Parameters, parseForm } from './parameters.js'
import { strictObject } from './strict-json.js'

/** A media type, with no charset but UTF-8 (RFC 9110 section 8.3.1). */
const FORM = /^application\/x-www-form-urlencoded *(?:; *charset="?utf-8"?)?$/i
const JSON_TYPE = /^application\/json *(?:; *charset="?utf-8"?)?$/i

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

function utf8(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (cause) {
    throw new OAuthError('invalid_request', 'the body is not UTF-8', { cause })
  }
}
