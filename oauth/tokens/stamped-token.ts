/**
 * Refresh tokens begin with the time of their issue, and so does what is kept of them. So those that were issued together lie together
 * in any store that keeps its keys in order, and so does what a rotation spends, which was issued not long before what it writes. The
 * time is no secret (RFC 9068 has it in every access token), and the 256 bits behind it are all that counts against guessing.
 */
import { createHmac } from 'node:crypto'
import { digestOf, randomSecret } from '../secrets.js'
import type { Digest, Milliseconds } from '../types.js'

/** In base 36, which sorts as numbers do: enough until the year 5188. */
const STAMP_LENGTH = 9
/** In no token without a stamp: those were base64url alone. */
const BEHIND_STAMP = '.'

/** The first refresh token of a grant. */
export function newRefreshToken(at: Milliseconds): string {
  return stamp(at) + randomSecret()
}

/**
 * The refresh token that follows `token`, which is spent at that time: a function of both, so that a repeated request gets the same one
 * although only digests are stored. Nobody without our key can compute it, be it from a stolen predecessor or from what follows that
 * when it is spent at another time.
 */
export function successorOf(token: string, at: Milliseconds, key: Buffer): string {
  return stamp(at) + secretBehind(stamp(at) + token, key)
}

/** What earlier versions had follow it: their secrets knew nothing of the time, and at first there were no stamps. */
export function formerSuccessorsOf(token: string, at: Milliseconds, key: Buffer): string[] {
  const secret = secretBehind(token, key)
  return isStamped(token) ? [stamp(at) + secret] : [secret, stamp(at) + secret]
}

function secretBehind(known: string, key: Buffer): string {
  return createHmac('sha256', key).update(known).digest('base64url')
}

function isStamped(token: string): boolean {
  return token[STAMP_LENGTH] === BEHIND_STAMP
}

/** What is kept of a refresh token, as it was issued or as somebody shows it. */
export function refreshTokenDigest(token: string): Digest {
  const digest = digestOf(token)
  if (!isStamped(token)) return digest
  return (token.slice(0, STAMP_LENGTH + 1) + digest) as Digest
}

function stamp(at: Milliseconds): string {
  return at.toString(36).padStart(STAMP_LENGTH, '0') + BEHIND_STAMP
}
