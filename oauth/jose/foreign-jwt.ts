/** JWTs that clients sign: DPoP proofs (RFC 9449) and client assertions (RFC 7523). */
import {
  constants,
  createPublicKey,
  type KeyObject,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto'
import type { PublicJwk } from '../types.js'
import type { CompactJws } from './compact-jws.js'

/** Asymmetric, registered and sound; "none" and HMAC can never be in it (RFC 8725 section 3.1). */
export const FOREIGN_ALGORITHMS = ['ES256', 'ES384', 'PS256', 'RS256'] as const
export type ForeignAlgorithm = (typeof FOREIGN_ALGORITHMS)[number]

export function isForeignAlgorithm(alg: unknown): alg is ForeignAlgorithm {
  return FOREIGN_ALGORITHMS.some((known) => known === alg)
}

interface Verifier {
  readonly hash: string
  /** A key of another kind, or one that is too weak or too dear, makes no signature of this algorithm. */
  fits(key: KeyObject): boolean
  readonly options: Omit<VerifyKeyObjectInput, 'key'>
}

const onCurve = (namedCurve: string) => (key: KeyObject) =>
  key.asymmetricKeyDetails?.namedCurve === namedCurve

/** RFC 7518 section 3.3 wants 2048 bits; a longer modulus or exponent than anybody uses only keeps us busy. */
function isUsualRsa({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
  const isUsual = modulusLength >= 2048 && modulusLength <= 4096 && publicExponent <= 65_537n
  return asymmetricKeyType === 'rsa' && isUsual
}

/** RFC 7518 sections 3.3 to 3.5 */
const VERIFIERS: Readonly<Record<ForeignAlgorithm, Verifier>> = {
  ES256: {
    hash: 'sha256',
    fits: onCurve('prime256v1'),
    options: { dsaEncoding: 'ieee-p1363' },
  },
  ES384: {
    hash: 'sha384',
    fits: onCurve('secp384r1'),
    options: { dsaEncoding: 'ieee-p1363' },
  },
  PS256: {
    hash: 'sha256',
    fits: isUsualRsa,
    options: {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    },
  },
  RS256: {
    hash: 'sha256',
    fits: isUsualRsa,
    options: { padding: constants.RSA_PKCS1_PADDING },
  },
}

/** Undefined for what is no public key. */
export function importedKey(jwk: PublicJwk): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    return undefined
  }
}

/** True when `key` made the signature with the algorithm that the header names. Claims are the caller's to check. */
export function isSignedBy({ token, header }: CompactJws, key: KeyObject | undefined): boolean {
  if (key === undefined || !isForeignAlgorithm(header.alg)) return false
  const { hash, fits, options } = VERIFIERS[header.alg]
  if (!fits(key)) return false
  const end = token.lastIndexOf('.')
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  return verify(hash, Buffer.from(token.slice(0, end)), { key, ...options }, signature)
}
