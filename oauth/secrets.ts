import { hash, hkdfSync, randomBytes, randomFillSync, timingSafeEqual } from 'node:crypto'
import type { Digest } from './types.js'

/** 256 bits: RFC 6749 section 10.10 asks for a chance of guessing below 2^-128, better 2^-160. */
export function randomSecret(): string {
  return randomBytes(32).toString('base64url')
}

const ID_BYTES = 16
/** Drawn for many identifiers at once: the system call costs several times what one of them needs. */
const drawn = { bytes: Buffer.alloc(ID_BYTES * 256), used: ID_BYTES * 256 }

/** 128 random bits: unique, and told to others, so no secret. */
export function randomId(): string {
  if (drawn.used === drawn.bytes.length) {
    randomFillSync(drawn.bytes)
    drawn.used = 0
  }
  const from = drawn.used
  drawn.used += ID_BYTES
  return drawn.bytes.toString('base64url', from, drawn.used)
}

/** High-entropy secrets need no slow hash: SHA-256 cannot be searched for 256 random bits. */
export function digestOf(secret: string): Digest {
  return hash('sha256', secret, 'base64url') as Digest
}

/** Takes the same time wherever the two differ; their lengths are no secret. */
export function equalInConstantTime(one: string, other: string): boolean {
  const left = Buffer.from(one)
  const right = Buffer.from(other)
  return left.length === right.length && timingSafeEqual(left, right)
}

/** Keys for one purpose each, derived from the one secret that was handed in (HKDF, RFC 5869). */
export interface DerivedKeys {
  readonly sealing: Buffer
  readonly successor: Buffer
  readonly nonce: Buffer
  readonly signingKeys: Buffer
}

export function deriveKeys(secret: Buffer): DerivedKeys {
  if (secret.length < 32) throw new Error('the secret must have at least 32 bytes')
  const derive = (purpose: string) =>
    Buffer.from(hkdfSync('sha256', secret, '', `coffer oauth ${purpose}`, 32))
  return {
    sealing: derive('sealing'),
    successor: derive('refresh token successor'),
    nonce: derive('dpop nonce'),
    signingKeys: derive('signing keys'),
  }
}
