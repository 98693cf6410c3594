import { type KeyObject, type SignKeyObjectInput, sign } from 'node:crypto'
import type { SigningAlgorithm } from './types.js'

/** ES256 signatures are r and s side by side, not DER (RFC 7518 section 3.4). */
const ENCODING: Readonly<Record<SigningAlgorithm, Omit<SignKeyObjectInput, 'key'>>> = {
  ES256: { dsaEncoding: 'ieee-p1363' },
  RS256: {},
}

/**
 * Makes compact JWSs (RFC 7515 section 7.1) with one key. Signing a token is most of what issuing it costs, so other requests
 * are served meanwhile (it is done in Node's pool of threads), and nothing is done twice: the header is encoded once for each
 * typ, and the key was imported long before.
 */
export class CompactSigner {
  readonly #alg: SigningAlgorithm
  readonly #kid: string
  readonly #key: SignKeyObjectInput
  /** By typ, of which there are a handful, all ours. */
  readonly #headers = new Map<string, string>()

  constructor(alg: SigningAlgorithm, kid: string, key: KeyObject) {
    this.#alg = alg
    this.#kid = kid
    this.#key = { key, ...ENCODING[alg] }
  }

  sign(typ: string, claims: object): Promise<string> {
    const input = `${this.#header(typ)}.${base64url(JSON.stringify(claims))}`
    return new Promise((resolve, reject) => {
      // Both algorithms hash with SHA-256; what is signed is ASCII.
      sign('sha256', Buffer.from(input, 'latin1'), this.#key, (error, signature) => {
        if (error === null) resolve(`${input}.${signature.toString('base64url')}`)
        else reject(error)
      })
    })
  }

  #header(typ: string): string {
    const known = this.#headers.get(typ)
    if (known !== undefined) return known
    const header = base64url(JSON.stringify({ alg: this.#alg, typ, kid: this.#kid }))
    this.#headers.set(typ, header)
    return header
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
