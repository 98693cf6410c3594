import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'

/** What a proof is about. */
export interface Proven {
  readonly method: string
  readonly url: URL
  /** The access token that goes with it; none at the token endpoint. */
  readonly access_token?: string
}

/** A key that tokens are bound to (RFC 9449): a token alone, without the key, is of no use to a thief. */
export class DpopKey {
  readonly privateJwk: JsonWebKey
  readonly #key: KeyObject
  readonly #clock: () => number
  readonly #nonces = new Map<string, string>()

  constructor(privateJwk: JsonWebKey, clock: () => number) {
    this.privateJwk = privateJwk
    this.#key = createPrivateKey({ key: privateJwk, format: 'jwk' })
    this.#clock = clock
  }

  static generate(clock: () => number): DpopKey {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return new DpopKey(privateKey.export({ format: 'jwk' }), clock)
  }

  /** The server wants its next nonce in later proofs (section 8). */
  learnNonce(url: URL, nonce: string | string[] | undefined): void {
    if (typeof nonce === 'string') this.#nonces.set(url.origin, nonce)
  }

  /** A proof for one request (section 4.2); each is used once. */
  proof({ method, url, access_token }: Proven): string {
    const nonce = this.#nonces.get(url.origin)
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: this.#publicJwk }
    const claims = {
      jti: randomBytes(16).toString('base64url'),
      htm: method,
      htu: url.origin + url.pathname,
      iat: Math.floor(this.#clock() / 1000),
      ...(access_token === undefined ? {} : { ath: sha256(access_token) }),
      ...(nonce === undefined ? {} : { nonce }),
    }
    const signed = `${encoded(header)}.${encoded(claims)}`
    const key = { key: this.#key, dsaEncoding: 'ieee-p1363' } as const
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
  }

  /** JWK thumbprint (RFC 7638): members in the order of their names. */
  get thumbprint(): string {
    const { crv, kty, x, y } = this.#publicJwk
    return sha256(JSON.stringify({ crv, kty, x, y }))
  }

  get #publicJwk(): JsonWebKey {
    const { kty, crv, x, y } = this.privateJwk
    return { kty, crv, x, y } as JsonWebKey
  }
}

/** Whether a refusal only asks for a proof with the nonce that it brings (sections 8 and 9). */
export function wantsNonce(answer: {
  body: Buffer
  headers: NodeJS.Dict<string | string[]>
}): boolean {
  const challenge = String(answer.headers['www-authenticate'] ?? '')
  return (
    answer.headers['dpop-nonce'] !== undefined &&
    (/error="use_dpop_nonce"/.test(challenge) || answer.body.includes('"use_dpop_nonce"'))
  )
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
