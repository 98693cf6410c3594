/** Proof Key for Code Exchange (RFC 7636), method S256 only. A leaf: it imports nothing of ours. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** code-verifier = 43*128unreserved (RFC 7636 section 4.1) */
const CODE_VERIFIER = /^[A-Za-z0-9\-._~]{43,128}$/

/** A base64url SHA-256 without padding: 43 characters (RFC 7636 section 4.2). */
const CODE_CHALLENGE = /^[A-Za-z0-9\-_]{43}$/

export const code_challenge_method = 'S256'

export function isCodeVerifier(text: string): boolean {
  return CODE_VERIFIER.test(text)
}

export function isCodeChallenge(text: string): boolean {
  return CODE_CHALLENGE.test(text)
}

/** 256 random bits, as RFC 7636 section 7.1 recommends. */
export function createCodeVerifier(): string {
  return randomBytes(32).toString('base64url')
}

/** code_challenge = BASE64URL-ENCODE(SHA256(ASCII(code_verifier))) (RFC 7636 section 4.2) */
export function codeChallenge(code_verifier: string): string {
  return createHash('sha256').update(code_verifier, 'ascii').digest('base64url')
}

/** RFC 7636 section 4.6, in constant time. */
export function verifies(code_verifier: string, code_challenge: string): boolean {
  const expected = Buffer.from(codeChallenge(code_verifier))
  const actual = Buffer.from(code_challenge)
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}
