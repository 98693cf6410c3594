import { type KeyObject, type SignKeyObjectInput, sign } from 'node:crypto'
import type { SigningAlgorithm } from '../types.js'
import { INPUT_MAX, type SigningThread, signingInput, signingThread } from './signing-thread.js'

/** Makes a compact JWS with SHA-256 of a header in base64url and claims in JSON. */
type Sign = (kid: string, header: string, claims: string) => Promise<string>

/**
 * Makes compact JWSs (RFC 7515 section 7.1) with one key. Signing a token is most of what issuing it costs, so other requests
 * are served meanwhile, and nothing is done twice: the header is encoded once for each typ, and the key was imported long
 * before.
 */
export class CompactSigner {
  readonly #alg: SigningAlgorithm
  readonly #kid: string
  readonly #sign: Sign
  /** By typ, of which there are a handful, all ours. */
  readonly #headers = new Map<string, string>()

  constructor(alg: SigningAlgorithm, kid: string, key: KeyObject) {
    this.#alg = alg
    this.#kid = kid
    this.#sign = SIGN[alg](key)
  }

  sign(typ: string, claims: object): Promise<string> {
    return this.#sign(this.#kid, this.#header(typ), JSON.stringify(claims))
  }

  #header(typ: string): string {
    const known = this.#headers.get(typ)
    if (known !== undefined) return known
    const jose = JSON.stringify({ alg: this.#alg, typ, kid: this.#kid })
    const header = Buffer.from(jose).toString('base64url')
    this.#headers.set(typ, header)
    return header
  }
}

const SIGN: Readonly<Record<SigningAlgorithm, (key: KeyObject) => Sign>> = {
  // r and s side by side, not DER (RFC 7518 section 3.4). Quick: what hands it over must be, too.
  ES256: (key) => inThread({ key, dsaEncoding: 'ieee-p1363' }),
  // Takes twenty times as long: every one has a thread of the pool to itself.
  RS256: (key) => inPool({ key }),
}

function inThread(key: SignKeyObjectInput): Sign {
  const signLong = inPool(key)
  let known: SigningThread | undefined
  return (kid, header, claims) => {
    if (kid.length + header.length + claims.length > INPUT_MAX) return signLong(kid, header, claims)
    const thread = signingThread()
    if (thread !== known) thread.keep(kid, key)
    known = thread
    return thread.sign(kid, header, claims)
  }
}

function inPool(key: SignKeyObjectInput): Sign {
  return (_, header, claims) =>
    new Promise((resolve, reject) => {
      const input = signingInput(header, claims)
      sign('sha256', Buffer.from(input, 'latin1'), key, (error, signature) => {
        if (error === null) resolve(`${input}.${signature.toString('base64url')}`)
        else reject(error)
      })
    })
}
