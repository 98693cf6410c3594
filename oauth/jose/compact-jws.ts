import { strictObject } from './strict-json.js'

/** Longer than any token of ours; nobody makes us parse megabytes. */
const TOKEN_MAX = 16 * 1024

/** BASE64URL(header) "." BASE64URL(payload) "." BASE64URL(signature) (RFC 7515 section 7.1) */
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/

export interface CompactJws {
  readonly token: string
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/**
 * Takes a JWT apart, strictly, before a library sees it: canonical base64url, no repeated member, no `crit` (we understand
 * no extension, RFC 7515 section 4.1.11). The signature is not checked here.
 */
export function parseCompactJws(token: string): CompactJws | undefined {
  if (token.length > TOKEN_MAX) return undefined
  const [, head, body, signature] = COMPACT.exec(token) ?? []
  if (head === undefined || body === undefined || signature === undefined) return undefined
  if (![head, body, signature].every(isCanonical)) return undefined
  const header = decode(head)
  const claims = decode(body)
  if (header === undefined || claims === undefined || 'crit' in header) return undefined
  return { token, header, claims }
}

/** The last character may carry unused bits; only zero bits are canonical (RFC 4648 section 3.5). */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(part, 'base64url'),
    )
    return strictObject(text)
  } catch {
    return undefined
  }
}
