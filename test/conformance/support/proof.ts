import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  type JWK,
  SignJWT,
} from 'jose'
import type { Answer, Fields, FormLike } from './http.js'
import type { Changes, Suite } from './suite.js'
import { sha256, unique } from './values.js'

/** What a test may make wrong in a proof. */
export interface ProofChanges {
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
  readonly accessToken?: string
}

/** A client that holds a key (RFC 9449). It learns nonces from the answers it gets. */
export class Prover {
  readonly key: CryptoKey
  readonly jwk: JWK
  readonly jkt: string
  nonce: string | undefined

  private constructor(key: CryptoKey, jwk: JWK, jkt: string) {
    this.key = key
    this.jwk = jwk
    this.jkt = jkt
  }

  static async create(alg = 'ES256'): Promise<Prover> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
    const jwk = await exportJWK(publicKey)
    return new Prover(privateKey, jwk, await calculateJwkThumbprint(jwk))
  }

  async proof(
    htm: string,
    htu: string,
    { header, claims, accessToken }: ProofChanges = {},
  ): Promise<string> {
    const all = {
      jti: unique(),
      htm,
      htu,
      iat: Math.floor(Date.now() / 1000),
      ...(this.nonce !== undefined && { nonce: this.nonce }),
      ...(accessToken !== undefined && { ath: sha256(accessToken) }),
      ...claims,
    }
    const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
    const fields = { typ: 'dpop+jwt', alg: 'ES256', jwk: this.jwk, ...header }
    return new SignJWT(kept).setProtectedHeader(fields as never).sign(this.key)
  }

  /** Sends, and once more when the server asks for its nonce (RFC 9449 section 8). */
  async post(
    suite: Suite,
    url: string,
    form: FormLike,
    headers: Fields = {},
    changes: ProofChanges = {},
  ): Promise<Answer> {
    const send = async () =>
      this.learn(
        await suite.http.post(url, form, {
          dpop: await this.proof('POST', url, changes),
          ...headers,
        }),
      )
    const answer = await send()
    return answer.body.includes('use_dpop_nonce') ? send() : answer
  }

  async token(
    suite: Suite,
    form: FormLike,
    headers: Fields = {},
    changes: ProofChanges = {},
  ): Promise<Answer> {
    return this.post(suite, await suite.endpoint('token'), form, headers, changes)
  }

  /** Asks the resource server, with the nonce it wants. */
  async read(
    suite: Suite,
    accessToken: string,
    changes: ProofChanges = {},
    url = suite.target.resourceUrl,
  ): Promise<Answer> {
    const send = async () => {
      const dpop = await this.proof('GET', url.split('?')[0] ?? url, { accessToken, ...changes })
      return this.learn(await suite.http.get(url, { authorization: `DPoP ${accessToken}`, dpop }))
    }
    const answer = await send()
    return answer.headers['www-authenticate']?.includes('use_dpop_nonce') ? send() : answer
  }

  learn(answer: Answer): Answer {
    const nonce = answer.headers['dpop-nonce']
    if (typeof nonce === 'string') this.nonce = nonce
    return answer
  }

  /** A bound pair of tokens of the native client. */
  async redeem(suite: Suite, changes: Changes = {}): Promise<Answer> {
    return this.token(suite, suite.codeForm(await suite.code(changes)))
  }
}
