import { createHmac } from 'node:crypto'
import { equal } from './equal.js'

/** What `cookie-session` signs with, in the shape of its Keygrip. */
export interface CookieKey {
  sign(data: string): string
  verify(data: string, signature: string): boolean
  /** Which key has signed: this one, or none (-1). */
  index(data: string, signature: string): number
}

/** Keygrip itself takes three HMACs (and random bytes) for each cookie it looks at, to compare what is as long anyway. */
export function cookieKey(key: Buffer): CookieKey {
  const sign = (data: string) => createHmac('sha256', key).update(data).digest('base64url')
  const verify = (data: string, signature: string) => equal(sign(data), signature)
  return { sign, verify, index: (data, signature) => (verify(data, signature) ? 0 : -1) }
}
