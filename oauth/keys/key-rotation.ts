/**
 * The life of a signing key: published, then signing, then only published, then gone (OpenID Connect Core section
 * 10.1.1). A verifier that fetches the JWKS no less often than its max-age never meets a key it does not know.
 */
import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { thumbprint } from '../jose/thumbprint.js'
import { seal } from '../sealed.js'
import type { Store } from '../store.js'
import {
  type AuditEvent,
  type Lifetimes,
  SIGNING_ALGORITHMS,
  type SigningAlgorithm,
  type StoredKey,
} from '../types.js'

/**
 * Seconds that the set of keys may be kept: not all the time that a new key waits before it signs, for another process hears of it
 * half a minute late.
 */
export function jwksMaxAge({ publishBeforeUse }: Lifetimes): number {
  return Math.floor(publishBeforeUse / 2)
}

const generate = promisify(generateKeyPair)

interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** One way to make a key for each algorithm (RFC 7518 sections 3.3 and 3.4). */
const GENERATORS: Readonly<Record<SigningAlgorithm, () => Promise<KeyPair>>> = {
  ES256: () => generate('ec', { namedCurve: 'P-256' }),
  RS256: () => generate('rsa', { modulusLength: 2048 }),
}

/** Signs so many milliseconds after it was made, which takes a while itself. */
async function createKey(
  alg: SigningAlgorithm,
  sealing: Buffer,
  clock: () => number,
  publish: number,
): Promise<StoredKey> {
  const { publicKey, privateKey } = await GENERATORS[alg]()
  const createdAt = clock()
  const jwk = publicKey.export({ format: 'jwk' })
  const kid = thumbprint(jwk) ?? ''
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const publicJwk = { ...jwk, kid, alg, use: 'sig' }
  return {
    kid,
    alg,
    publicJwk,
    sealed: seal(sealing, kid, pem),
    createdAt,
    activeAt: createdAt + publish,
  }
}

/** Which of the keys signs now: the youngest that is active. */
export function signingKey(
  keys: readonly StoredKey[],
  alg: SigningAlgorithm,
  now: number,
): StoredKey {
  const ofAlg = keys.filter((key) => key.alg === alg).sort((a, b) => b.activeAt - a.activeAt)
  const signing = ofAlg.find((key) => key.activeAt <= now) ?? ofAlg.at(-1)
  if (signing === undefined) throw new Error(`there is no ${alg} key`)
  return signing
}

/** Still to be published: it signs, will sign, or signed less than keepAfterUse ago. */
function isPublished(key: StoredKey, keys: readonly StoredKey[], keep: number, now: number) {
  const successors = keys.filter(({ alg, activeAt }) => alg === key.alg && activeAt > key.activeAt)
  const supersededAt = Math.min(...successors.map(({ activeAt }) => activeAt))
  return supersededAt + keep > now
}

/** What the stored keys are good for at a moment. */
export interface KeySupply {
  /** To be published; what is stored besides is to be dropped. */
  readonly kept: readonly StoredKey[]
  /** Algorithms whose next key is to be made: the one they have will soon have signed for long enough. */
  readonly due: readonly SigningAlgorithm[]
  /** Algorithms that have no key at all. */
  readonly missing: readonly SigningAlgorithm[]
}

export function keySupply(
  stored: readonly StoredKey[],
  { publishBeforeUse, signingKey: signing, keepAfterUse }: Lifetimes,
  now: number,
): KeySupply {
  const kept = stored.filter((key) => isPublished(key, stored, keepAfterUse * 1000, now))
  const youngest = (alg: SigningAlgorithm) =>
    Math.max(...kept.filter((key) => key.alg === alg).map((key) => key.activeAt))
  return {
    kept,
    due: SIGNING_ALGORITHMS.filter(
      (alg) => youngest(alg) + (signing - publishBeforeUse) * 1000 <= now,
    ),
    missing: SIGNING_ALGORITHMS.filter((alg) => kept.every((key) => key.alg !== alg)),
  }
}

/** Where keys are kept, and who is told of them. */
export interface Rotating {
  readonly store: Store
  readonly sealing: Buffer
  readonly lifetimes: Lifetimes
  readonly clock: () => number
  readonly audit: (event: AuditEvent) => void
}

/** The keys as they should be now; creates and drops what is due. Several processes may do so at once. */
export async function nextKeys(rotating: Rotating): Promise<readonly StoredKey[]> {
  const { store, sealing, lifetimes, clock } = rotating
  const publish = lifetimes.publishBeforeUse * 1000
  const now = clock()
  for (;;) {
    const stored = await store.signingKeys()
    const { kept, due, missing } = keySupply(stored, lifetimes, now)
    if (due.length === 0 && kept.length === stored.length) return stored
    const created: StoredKey[] = []
    for (const alg of due) {
      created.push(await createKey(alg, sealing, clock, missing.includes(alg) ? 0 : publish))
    }
    const keys = [...kept, ...created]
    if (await replace(rotating, stored, keys)) return keys
  }
}

/** `key rotate`: the next key of every algorithm, at once published, signing after publishBeforeUse. */
export async function rotateKeys(rotating: Rotating): Promise<readonly StoredKey[]> {
  const { sealing, lifetimes, clock } = rotating
  const publish = lifetimes.publishBeforeUse * 1000
  for (;;) {
    const stored = await nextKeys(rotating)
    const created = await Promise.all(
      SIGNING_ALGORITHMS.map((alg) => createKey(alg, sealing, clock, publish)),
    )
    if (await replace(rotating, stored, [...stored, ...created])) return created
  }
}

/** Tells of what came and went, once it has: only the process that was first does. */
async function replace(
  { store, audit }: Rotating,
  before: readonly StoredKey[],
  after: readonly StoredKey[],
): Promise<boolean> {
  const seen = before.map(({ kid }) => kid)
  if (!(await store.replaceSigningKeys(seen, after))) return false
  const tell = (type: 'key.rotate' | 'key.retire', keys: readonly StoredKey[]) => {
    for (const { alg, kid } of keys) audit({ type, outcome: 'success', detail: `${alg} ${kid}` })
  }
  tell('key.rotate', absentFrom(before, after))
  tell('key.retire', absentFrom(after, before))
  return true
}

function absentFrom(some: readonly StoredKey[], others: readonly StoredKey[]) {
  return others.filter(({ kid }) => some.every((key) => key.kid !== kid))
}

export type KeyStatus = 'next' | 'signing' | 'superseded'

/** For `key list`. */
export function keyStatus(key: StoredKey, keys: readonly StoredKey[], now: number): KeyStatus {
  if (key.activeAt > now) return 'next'
  return signingKey(keys, key.alg, now).kid === key.kid ? 'signing' : 'superseded'
}
