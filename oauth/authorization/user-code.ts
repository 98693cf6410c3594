/** User codes of the device grant (RFC 8628 section 6.1). */
import { randomInt } from 'node:crypto'

/** No vowels, so no words; no characters that look alike: 20^8 codes, 34.5 bits. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const LENGTH = 8

const USER_CODE = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/

export function drawUserCode(): string {
  return Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('')
}

/** As people read it: WDJB-MJHT. */
export function formatUserCode(letters: string): string {
  return `${letters.slice(0, 4)}-${letters.slice(4)}`
}

/** As people type it: in any case, with any punctuation or none. */
export function parseUserCode(entered: string): string | undefined {
  const letters = entered.toUpperCase().replace(/[^A-Z0-9]/g, '')
  return USER_CODE.test(letters) ? letters : undefined
}
