import { CommandError } from '../command-error.js'

declare const parsed: unique symbol
/** SHA-256, 64 hexadecimal digits in upper case. Only `parseFingerprint` makes one. */
export type Fingerprint = string & { readonly [parsed]: 'Fingerprint' }

/** Accepts what openssl, browsers and this program print: with or without colons and "SHA256:", in any case. */
export function parseFingerprint(input: string): Fingerprint {
  const digits = input
    .replace(/^sha-?256[:=]?/i, '')
    .replace(/[: ]/g, '')
    .toUpperCase()
  if (!/^[0-9A-F]{64}$/.test(digits)) {
    throw new CommandError(
      'It must be a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons.',
    )
  }
  return digits as Fingerprint
}

/** As people compare it. */
export function printedFingerprint(fingerprint: string): string {
  return fingerprint.match(/../g)?.join(':') ?? ''
}

/** From how Node spells it. */
export function fingerprintOf(fingerprint256: string): string {
  return fingerprint256.replaceAll(':', '')
}
