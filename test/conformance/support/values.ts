/** Small things that tests read out of answers, or put into requests. */
import { createHash, randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import { type Answer, json } from './http.js'

/** The verifier and challenge of RFC 7636 appendix B. */
export const CODE_VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
export const CODE_CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly id_token: string
  readonly token_type: string
  readonly expires_in: number
  readonly scope: string
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

export function success(answer: Answer): Tokens {
  if (answer.status === 200) return json(answer) as unknown as Tokens
  throw new Error(`${answer.url.pathname} answered ${answer.status}: ${answer.body.slice(0, 500)}`)
}

export function unique(): string {
  return randomBytes(16).toString('base64url')
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

export function claims(token: string): Record<string, unknown> {
  return decodeJwt(token)
}

/** The parts of a challenge of one scheme (RFC 9110 section 11.6.1). */
export function challenges(
  answer: Answer,
): readonly { scheme: string; params: Map<string, string[]> }[] {
  const text = answer.lines
    .filter(([name]) => name === 'www-authenticate')
    .map(([, value]) => value)
    .join(', ')
  return text
    .split(/(?:^|, )(?=[A-Za-z]+ [a-z_]+=)/)
    .filter((part) => part !== '')
    .map((part) => {
      const [scheme = ''] = part.split(' ')
      const params = new Map<string, string[]>()
      for (const [, name = '', value = ''] of part.matchAll(/([a-z_]+)="([^"]*)"/g)) {
        params.set(name, [...(params.get(name) ?? []), value])
      }
      return { scheme, params }
    })
}

/** The text of a page, for messages. */
export function wordsOf({ body }: Answer): string {
  return body
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .slice(0, 300)
}
