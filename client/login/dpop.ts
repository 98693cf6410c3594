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

/** What the proofs for one server must have. */
interface Wanted {
  nonce: string | undefined
  /** Milliseconds that the server's clock is ahead of ours. */
  ahead: number
}

/** The times of two clocks as they are told by whole seconds, over a network: no more than this apart is together. */
const TOGETHER_MILLISECONDS = 10_000

/** A key that tokens are bound to (RFC 9449): a token alone, without the key, is of no use to a thief. */
export class DpopKey {
  readonly privateJwk: JsonWebKey
  readonly #key: KeyObject
  readonly #clock: () => number
  /** The same in every proof. */
  readonly #header: string
  readonly #servers = new Map<string, Wanted>()

  constructor(privateJwk: JsonWebKey, clock: () => number) {
    this.privateJwk = privateJwk
    this.#key = createPrivateKey({ key: privateJwk, format: 'jwk' })
    this.#clock = clock
    this.#header = encoded({ typ: 'dpop+jwt', alg: 'ES256', jwk: this.#publicJwk })
  }

  static generate(clock: () => number): DpopKey {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return new DpopKey(privateKey.export({ format: 'jwk' }), clock)
  }

  /**
   * Takes from an answer what later proofs must have: the server's next nonce (section 8), and its time, for proofs count
   * by its clock (section 11.1). @returns whether a proof would be another one now
   */
  learn(url: URL, headers: NodeJS.Dict<string | string[]>): boolean {
    const wanted = this.#wantedBy(url)
    const { nonce, ahead } = wanted
    const next = headers['dpop-nonce']
    if (typeof next === 'string') wanted.nonce = next
    const difference = Date.parse(String(headers.date)) - this.#clock()
    if (Math.abs(difference - ahead) > TOGETHER_MILLISECONDS) wanted.ahead = difference
    return wanted.nonce !== nonce || wanted.ahead !== ahead
  }

  #wantedBy({ origin }: URL): Wanted {
    const known = this.#servers.get(origin)
    if (known !== undefined) return known
    const unknown = { nonce: undefined, ahead: 0 }
    this.#servers.set(origin, unknown)
    return unknown
  }

  /** A proof for one request (section 4.2); each is used once. */
  proof({ method, url, access_token }: Proven): string {
    const { nonce, ahead } = this.#wantedBy(url)
    const claims = {
      jti: randomBytes(16).toString('base64url'),
      htm: method,
      htu: url.origin + url.pathname,
      iat: Math.floor((this.#clock() + ahead) / 1000),
      ...(access_token === undefined ? {} : { ath: sha256(access_token) }),
      ...(nonce === undefined ? {} : { nonce }),
    }
    const signed = `${this.#header}.${encoded(claims)}`
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

/** Whether a refusal is about the proof alone: it wants its nonce (sections 8 and 9), or the proof came too late. */
export function wantsProof(answer: {
  body: Buffer
  headers: NodeJS.Dict<string | string[]>
}): boolean {
  const challenge = String(answer.headers['www-authenticate'] ?? '')
  return REFUSED_PROOF.test(challenge) || REFUSED_PROOF.test(answer.body.toString())
}

const REFUSED_PROOF = /"(?:use_dpop_nonce|invalid_dpop_proof)"/

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
