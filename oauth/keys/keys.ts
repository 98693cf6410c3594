import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { unseal } from '../sealed.js'
import { deriveKeys } from '../secrets.js'
import type { Store } from '../store.js'
import {
  type AuditEvent,
  DEFAULT_LIFETIMES,
  type Lifetimes,
  type PublicJwk,
  type SigningAlgorithm,
  type StoredKey,
} from '../types.js'
import { CompactSigner } from './compact-signer.js'
import { keySupply, nextKeys, rotateKeys, signingKey } from './key-rotation.js'

/** Who signs. Private keys stay behind it, so that an outside key service can take its place. */
export interface Keys {
  /** A compact JWS with the key that signs now; `kid` and `alg` go into the header. */
  sign(alg: SigningAlgorithm, typ: string, claims: object): Promise<string>
  /** A key that we sign with or signed with; undefined for any other. */
  verificationKey(kid: string): Promise<VerificationKey | undefined>
  jwks(): Promise<{ readonly keys: readonly PublicJwk[] }>
}

export interface VerificationKey {
  readonly alg: SigningAlgorithm
  readonly key: KeyObject
}

export interface LocalKeysOptions {
  readonly store: Store
  readonly secret: Buffer
  readonly clock: () => Date
  readonly lifetimes?: Partial<Lifetimes>
  /** Told why the next keys could not be made. The old ones go on signing, and it is tried again. */
  readonly rotationFailed: (cause: unknown) => void
  /** Told of every key that is made or dropped, by itself or not, and once when none can be made. */
  readonly audit: (event: AuditEvent) => void
}

/** How long the set is believed before the store is asked again; far below publishBeforeUse. */
const RELOAD_MILLISECONDS = 30_000

interface LoadedKey extends VerificationKey {
  readonly stored: StoredKey
  readonly signer: CompactSigner
}

/** Which key signs from one moment to another. */
interface Signing {
  readonly key: LoadedKey
  readonly since: number
  readonly until: number
}

/** The keys as they were read, and which of them signs. */
class KeySet {
  readonly byKid: ReadonlyMap<string, LoadedKey>
  readonly #signing = new Map<SigningAlgorithm, Signing>()

  constructor(keys: readonly LoadedKey[]) {
    this.byKid = new Map(keys.map((key) => [key.stored.kid, key]))
  }

  signing(alg: SigningAlgorithm, now: number): LoadedKey {
    const known = this.#signing.get(alg)
    if (known !== undefined && known.since <= now && now < known.until) return known.key
    const stored = [...this.byKid.values()].map((key) => key.stored)
    const key = this.byKid.get(signingKey(stored, alg, now).kid)
    if (key === undefined) throw new Error(`no key signs ${alg}`)
    const until = Math.min(...stored.map(({ activeAt }) => activeAt).filter((at) => at > now))
    this.#signing.set(alg, { key, since: now, until })
    return key
  }
}

/** Keys in the store, encrypted under the secret; made, published and retired by themselves. */
export function localKeys(options: LocalKeysOptions): Keys {
  const { store, secret, clock, rotationFailed, audit } = options
  const lifetimes = { ...DEFAULT_LIFETIMES, ...options.lifetimes }
  const sealing = deriveKeys(secret).signingKeys
  let loaded: Promise<KeySet> | undefined
  let loadedAt = Number.NEGATIVE_INFINITY
  let isRenewing = false
  let isFailing = false

  const now = () => clock().getTime()
  const next = () => nextKeys({ store, sealing, lifetimes, clock: now, audit })

  async function load(): Promise<KeySet> {
    const stored = await store.signingKeys()
    const { kept, due, missing } = keySupply(stored, lifetimes, clock().getTime())
    if (missing.length > 0) return new KeySet((await next()).map(open))
    if (due.length > 0 || kept.length < stored.length) renew()
    return new KeySet(kept.map(open))
  }

  /** Beside all that signs and verifies meanwhile: an RSA key takes a second to make, and is needed in an hour. */
  function renew(): void {
    if (isRenewing) return
    isRenewing = true
    next()
      .then(() => {
        loadedAt = Number.NEGATIVE_INFINITY
        isFailing = false
      }, failed)
      .finally(() => {
        isRenewing = false
      })
  }

  /** It is tried again every half a minute: the audit log is told when that begins. What fails it may fail that, too. */
  function failed(cause: unknown): void {
    rotationFailed(cause)
    if (isFailing) return
    const detail = cause instanceof Error ? cause.message : String(cause)
    try {
      audit({ type: 'key.rotate', outcome: 'failure', detail })
      isFailing = true
    } catch (error) {
      rotationFailed(error)
    }
  }

  function open(stored: StoredKey): LoadedKey {
    const pem = unseal(sealing, stored.kid, stored.sealed)
    if (pem === undefined) {
      throw new Error(
        `signing key ${stored.kid} does not open: the secret is not the one it was sealed with`,
      )
    }
    const key = createPublicKey({ key: stored.publicJwk, format: 'jwk' })
    const signer = new CompactSigner(stored.alg, stored.kid, createPrivateKey(pem))
    return { stored, alg: stored.alg, key, signer }
  }

  function keys(): Promise<KeySet> {
    const now = clock().getTime()
    if (loaded === undefined || now - loadedAt >= RELOAD_MILLISECONDS || now < loadedAt) {
      loadedAt = now
      loaded = load()
      loaded.catch(() => {
        loaded = undefined
      })
    }
    return loaded
  }

  return {
    async sign(alg, typ, claims) {
      const { signer } = (await keys()).signing(alg, clock().getTime())
      return await signer.sign(typ, claims)
    },
    async verificationKey(kid) {
      return (await keys()).byKid.get(kid)
    },
    async jwks() {
      return { keys: [...(await keys()).byKid.values()].map(({ stored }) => stored.publicJwk) }
    },
  }
}

/** `key rotate`: a next key for every algorithm, published at once, signing once everybody can know it. */
export async function rotateLocalKeys({
  store,
  secret,
  clock,
  audit,
  ...options
}: Omit<LocalKeysOptions, 'rotationFailed'>): Promise<readonly StoredKey[]> {
  const lifetimes = { ...DEFAULT_LIFETIMES, ...options.lifetimes }
  const sealing = deriveKeys(secret).signingKeys
  return rotateKeys({ store, sealing, lifetimes, clock: () => clock().getTime(), audit })
}
