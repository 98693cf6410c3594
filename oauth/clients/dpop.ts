/** Demonstrating Proof of Possession (RFC 9449): what makes a proof good. */
import { createHash, createHmac } from 'node:crypto'
import { type Context, seconds } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Call } from '../http/call.js'
import { type CompactJws, parseCompactJws } from '../jose/compact-jws.js'
import { importedKey, isForeignAlgorithm, isSignedBy } from '../jose/foreign-jwt.js'
import { thumbprint } from '../jose/thumbprint.js'
import { digestOf, equalInConstantTime } from '../secrets.js'
import type { Client, PublicJwk } from '../types.js'
import { maySignWith } from './client-policy.js'

/** A proof may be this old or this far ahead: clocks differ. */
const WINDOW_SECONDS = 60
const JTI_MAX = 256

/** Members of private keys (RFC 7518 section 6); a proof that carries one gives its key away. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

interface Proof {
  readonly call: Call
  readonly jws: CompactJws
  readonly jwk: PublicJwk
  readonly jkt: string
  readonly client: Client
  readonly accessToken: string | undefined
}

/** One check each of RFC 9449 section 4.3, in its order; the answer is what is wrong. */
type Check = (context: Context, proof: Proof) => string | undefined

const typIsDpop: Check = (_, { jws }) =>
  jws.header.typ === 'dpop+jwt' ? undefined : 'must have the typ dpop+jwt'

const algorithmIsAsymmetric: Check = (_, { jws }) =>
  isForeignAlgorithm(jws.header.alg) ? undefined : 'must be signed with an asymmetric algorithm'

const algorithmIsOfProfile: Check = (_, { jws, client }) =>
  maySignWith(client, jws.header.alg) ? undefined : 'must be signed with ES256 or PS256'

const keyIsPublic: Check = (_, { jwk }) =>
  PRIVATE_MEMBERS.some((member) => member in jwk) ? 'must not carry a private key' : undefined

const signatureVerifies: Check = ({ proofKeys }, { jws, jwk, jkt }) => {
  const key = proofKeys.get(jkt) ?? importedKey(jwk)
  if (key === undefined || !isSignedBy(jws, key)) return 'has a signature that does not verify'
  proofKeys.keep(jkt, key)
  return undefined
}

const methodMatches: Check = (_, { jws, call }) =>
  jws.claims.htm === call.method ? undefined : 'is for another method (htm)'

const targetMatches: Check = (_, { jws, call }) => {
  const { htu } = jws.claims
  if (typeof htu !== 'string' || !URL.canParse(htu)) return 'has no htu'
  return target(htu) === target(call.url) ? undefined : 'is for another URL (htu)'
}

const isRecent: Check = (context, { jws }) => {
  const { iat } = jws.claims
  if (typeof iat !== 'number') return 'has no iat'
  const age = seconds(context.now()) - iat
  return Math.abs(age) <= WINDOW_SECONDS ? undefined : 'is not of now (iat)'
}

const identifierIsUsable: Check = (_, { jws }) => {
  const { jti } = jws.claims
  return typeof jti === 'string' && jti !== '' && jti.length <= JTI_MAX ? undefined : 'has no jti'
}

const hashMatchesToken: Check = (_, { jws, accessToken }) => {
  if (accessToken === undefined) return undefined
  const ath = createHash('sha256').update(accessToken).digest('base64url')
  return jws.claims.ath === ath ? undefined : 'is not for this access token (ath)'
}

const CHECKS: readonly Check[] = [
  typIsDpop,
  algorithmIsAsymmetric,
  algorithmIsOfProfile,
  keyIsPublic,
  identifierIsUsable,
  methodMatches,
  targetMatches,
  isRecent,
  hashMatchesToken,
  signatureVerifies, // the dear one last
]

/**
 * The thumbprint (jkt) of the key that proves itself; undefined when there is no DPoP field. Throws when the proof is bad,
 * lacks a fresh nonce, or was seen before.
 */
export async function provenKey(
  context: Context,
  call: Call,
  client: Client,
  accessToken?: string,
): Promise<string | undefined> {
  const fields = call.headers.dpop
  if (fields.length === 0) return undefined
  const [field, ...others] = fields
  const jws = others.length === 0 && field !== undefined ? parseCompactJws(field) : undefined
  if (jws === undefined) throw badProof('must be exactly one well-formed JWT')
  const jwk = jws.header.jwk
  if (!isKey(jwk)) throw badProof('must carry its public key (jwk)')
  const jkt = thumbprint(jwk)
  if (jkt === undefined) throw badProof('has a kind of key that is not supported')
  for (const check of CHECKS) {
    const wrong = check(context, { call, jws, jwk, jkt, client, accessToken })
    if (wrong !== undefined) throw badProof(wrong)
  }
  requireNonce(context, jws.claims.nonce)
  const once = digestOf(`proof ${jkt} ${jws.claims.jti}`)
  // By `iat`, a number by now, which a proof that is replayed has again; a window longer than it lasts, for clocks are set back.
  const expiresAt = Math.ceil((Number(jws.claims.iat) + 2 * WINDOW_SECONDS + 1) * 1000)
  if (!(await context.store.useOnce(once, expiresAt))) throw badProof('was used before')
  return jkt
}

function isKey(jwk: unknown): jwk is PublicJwk {
  return typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk)
}

function badProof(why: string): OAuthError {
  return new OAuthError('invalid_dpop_proof', `the DPoP proof ${why}`)
}

/** RFC 9449 section 8: the answer carries the nonce that the next proof must have. */
function requireNonce(context: Context, nonce: unknown): void {
  if (typeof nonce === 'string' && isFreshNonce(context, nonce)) return
  throw new OAuthError(
    'use_dpop_nonce',
    'the DPoP proof must carry the nonce of the DPoP-Nonce field',
    {
      headers: { 'DPoP-Nonce': currentNonce(context) },
    },
  )
}

type NonceContext = Pick<Context, 'now' | 'lifetimes' | 'derived'>

/** A nonce is a keyed hash of its period: nothing to store, nothing to guess, the same in every process. */
function nonceOf({ derived }: Pick<Context, 'derived'>, period: number): string {
  const hash = createHmac('sha256', derived.nonce).update(String(period)).digest()
  return hash.subarray(0, 16).toString('base64url')
}

function currentPeriod({ now, lifetimes }: NonceContext): number {
  return Math.floor(now() / (lifetimes.dpopNonce * 1000))
}

export function currentNonce(context: NonceContext): string {
  return nonceOf(context, currentPeriod(context))
}

function isFreshNonce(context: Context, nonce: string): boolean {
  const period = currentPeriod(context)
  return [period, period - 1].some((at) => equalInConstantTime(nonceOf(context, at), nonce))
}

/** Unreserved characters mean the same encoded or not (RFC 3986 section 6.2.2). */
const ENCODED = /%[0-9a-f]{2}/gi
const UNRESERVED = /[A-Za-z0-9\-._~]/

/** htu without query and fragment, after syntax-based and scheme-based normalization (RFC 9449 section 4.3). */
function target(url: string): string {
  const { origin, pathname } = new URL(url)
  const path = pathname.replace(ENCODED, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
    return UNRESERVED.test(character) ? character : encoded.toUpperCase()
  })
  return origin + path
}
