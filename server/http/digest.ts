import { createHash, type Hash, timingSafeEqual } from 'node:crypto'
import { FileError } from '../errors.js'

/** The algorithms of RFC 9530 section 7.2 that are active, with node:crypto's names. */
const ALGORITHMS = { 'sha-256': 'sha256', 'sha-512': 'sha512' } as const
export type DigestAlgorithm = keyof typeof ALGORITHMS
const KNOWN = Object.keys(ALGORITHMS).filter(isKnown)

/** sf-dictionary whose members are byte sequences (RFC 8941 sections 3.2 and 3.3.5), one member. */
const MEMBER = /^([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):(?:;.*)?$/
/** Want-Content-Digest and Want-Repr-Digest: an algorithm and how much it is wanted, 0 to 10 (RFC 9530 section 4). */
const WANTED = /^([a-z*][a-z0-9_.*-]*)=(\d{1,2})$/

/** What announces digests of content (RFC 9530 sections 2 and 3). */
export type DigestFieldName = 'Content-Digest' | 'Repr-Digest'

export interface ExpectedDigest {
  readonly field: DigestFieldName
  readonly algorithm: DigestAlgorithm
  readonly value: Buffer
}

/** All of the content has come, and it is not what was announced. */
export class DigestMismatch extends FileError {
  constructor({ field, algorithm }: ExpectedDigest) {
    super('EINVAL', `the content does not have the ${algorithm} digest of ${field}`)
  }
}

function isKnown(algorithm: string): algorithm is DigestAlgorithm {
  return Object.hasOwn(ALGORITHMS, algorithm)
}

export function digester(algorithm: DigestAlgorithm): Hash {
  return createHash(ALGORITHMS[algorithm])
}

/** One member of Content-Digest or Repr-Digest (RFC 9530 sections 2 and 3). */
export function digestField(algorithm: DigestAlgorithm, value: Buffer): string {
  return `${algorithm}=:${value.toString('base64')}:`
}

/**
 * The digests of a Content-Digest or Repr-Digest field that we can check; others are ignored (RFC 9530 section 2).
 * @throws FileError EINVAL for a field that is malformed
 */
export function parseDigests(field: DigestFieldName, digests: string): ExpectedDigest[] {
  return digests.split(',').flatMap((member) => {
    const [, algorithm, base64] = MEMBER.exec(member.trim()) ?? []
    if (algorithm === undefined || base64 === undefined) {
      throw new FileError('EINVAL', `${field} must look like sha-256=:BASE64:`)
    }
    if (!isKnown(algorithm)) return []
    return [{ field, algorithm, value: Buffer.from(base64, 'base64') }]
  })
}

/** The known algorithm a Want-…-Digest field likes best; undefined if none or malformed: it is only a wish. */
export function wantedDigest(field: string | undefined): DigestAlgorithm | undefined {
  let best: { algorithm: DigestAlgorithm; weight: number } | undefined
  for (const member of field?.split(',') ?? []) {
    const [, algorithm, digits] = WANTED.exec(member.trim()) ?? []
    const weight = Number(digits)
    if (algorithm === undefined || !isKnown(algorithm) || weight < 1 || weight > 10) continue
    if (best === undefined || weight > best.weight) best = { algorithm, weight }
  }
  return best?.algorithm
}

/**
 * Passes content through and, at its end, compares it with the digests announced, and with those that come only then.
 * @param trailing what trailer fields say, once they are there; undefined if none are to come
 * @throws DigestMismatch
 */
export async function* verified(
  source: AsyncIterable<readonly Buffer[]>,
  expected: readonly ExpectedDigest[],
  trailing?: () => readonly ExpectedDigest[],
): AsyncGenerator<readonly Buffer[]> {
  const algorithms = trailing === undefined ? expected.map(({ algorithm }) => algorithm) : KNOWN
  const hashes = new Map([...new Set(algorithms)].map((each) => [each, digester(each)] as const))
  for await (const pieces of source) {
    for (const hash of hashes.values()) for (const piece of pieces) hash.update(piece)
    yield pieces
  }
  const found = new Map([...hashes].map(([algorithm, hash]) => [algorithm, hash.digest()]))
  for (const digest of [...expected, ...(trailing?.() ?? [])]) {
    const value = found.get(digest.algorithm)
    if (value?.length !== digest.value.length || !timingSafeEqual(value, digest.value)) {
      throw new DigestMismatch(digest)
    }
  }
}
