import type { Random } from './random.js'

/** What no endpoint should ever be sent, as a form carries it. */
const ODD = [
  '', '%', '%zz', '%00', '%ff%fe', '%c0%ae', '%ed%a0%80', '+', '%2B', 'null', '[]', '{}', '[object Object]', '-1', '0', '1e999',
  '9007199254740993', 'true', '__proto__', 'toString', '..%2f..', '//evil.example', 'javascript:alert(1)', 'http://[::1', 'http://127.0.0.1:99999/cb',
  '%22%3E%3Cscript%3E', '%E2%80%AE', '%F0%9F%98%80', '%0d%0aSet-Cookie:%20a=b', 'a%20b', 'urn:ietf:params:oauth:request_uri:x', 'none%20login',
] // biome-ignore format: a word list
const NAMES = [
  'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'grant_type', 'code', 'code_verifier', 'redirect_uri', 'refresh_token',
  'scope', 'resource', 'device_code', 'user_code', 'token', 'token_type_hint', 'response_type', 'response_mode', 'state', 'nonce', 'prompt',
  'max_age', 'id_token_hint', 'login_hint', 'code_challenge', 'code_challenge_method', 'dpop_jkt', 'request', 'request_uri', 'registration',
  'claims', 'display', 'post_logout_redirect_uri', 'access_token', 'csrf_token', 'decision', 'audience', '__proto__', 'constructor', '', 'a[b]', 'a%00',
] // biome-ignore format: a word list
const TYPES = [
  'application/x-www-form-urlencoded; charset=utf-16',
  'application/x-www-form-urlencoded;charset="',
  'application/json',
  'multipart/form-data; boundary=x',
  'text/plain',
  ';;;',
  '',
]
const ALGORITHMS = ['ES256', 'RS256', 'HS256', 'none', 'es256', 'ES256K', 'EdDSA', 1, null, {}, '']
const CLAIMS = [
  'iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'htm', 'htu', 'ath', 'nonce', 'scope', 'client_id', 'cnf', 'grant_id', '__proto__',
] // biome-ignore format: a word list
const TYPS = ['at+jwt', 'dpop+jwt', 'JWT', 'application/at+jwt', 1, null, 'at+jwt\u0000']

/** A value of any JSON type. */
export function anything({ one, many, below }: Random): unknown {
  return one<() => unknown>([
    () => null,
    () => below(2) === 0,
    () => one([0, -1, 1e308, 2 ** 53, 1_800_000_000, 0.5]),
    () => one(['', 'x', '\u0000', '\ud800', 'é'.repeat(50), 'https://as.test', 'A'.repeat(3000)]),
    () => many(4, () => one([1, 'x', null])),
    () => JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`),
    () => one(['constructor', '__proto__', 'toString']),
    () => ({ x: { kty: 'EC', crv: 'P-256' } }),
  ])()
}

/** A key as a proof carries it, nearly right. */
function jwk(random: Random): unknown {
  const { one, below } = random
  if (below(4) === 0) return anything(random)
  return {
    kty: one(['EC', 'RSA', 'OKP', 'oct', 'constructor', '__proto__', ['EC'], 1, undefined]),
    crv: one(['P-256', 'P-384', 'Ed25519', 'p-256', undefined]),
    x: one(['A'.repeat(43), 'AA', '', '=', undefined, 1]),
    y: one(['A'.repeat(43), 'AA', undefined, {}]),
    n: one([undefined, 'A'.repeat(342), 'AQAB', '']),
    e: one([undefined, 'AQAB', 'AA', 'A'.repeat(500)]),
    k: one([undefined, 'AAAA']),
    d: one([undefined, 'A'.repeat(43)]),
  }
}

/** A JWT with something wrong in it, and never a good signature. */
function brokenJwt(random: Random): string {
  const { one, many, below, bytes } = random
  const encode = (text: string) => Buffer.from(text).toString('base64url')
  const header = JSON.stringify({
    alg: one(ALGORITHMS),
    typ: one(TYPS),
    ...(below(2) === 0 && { jwk: jwk(random) }),
    ...(below(3) === 0 && { kid: one([anything(random), 'conformance', '../../x']) }),
    ...(below(8) === 0 && { crit: anything(random) }),
  })
  const claims = JSON.stringify(Object.fromEntries(many(10, () => [one(CLAIMS), anything(random)])))
  const repeated = (json: string) => json.replace(/^\{/, '{"alg":"none","iss":1,')
  const parts = [
    encode(below(8) === 0 ? repeated(header) : header),
    encode(below(8) === 0 ? repeated(claims) : claims),
    one(['', 'A', 'A'.repeat(86), bytes(80).toString('base64url')]),
  ]
  if (below(6) === 0) parts[below(3)] = one(['', '!', 'e30', 'bnVsbA', 'W10', 'IiI', 'e30=', '/w'])
  if (below(10) === 0) parts.splice(below(3), one([0, 1]), one(['', 'e30']))
  return parts.join('.')
}

function value(random: Random): string {
  const { one, many, below } = random
  switch (below(8)) {
    case 0:
    case 1:
      return brokenJwt(random)
    case 2:
      return one(['x', '%41', '%F0%9F%98%80', '+']).repeat(one([43, 128, 2000, 9000]))
    case 3:
      return many(20, () => `%${below(256).toString(16).padStart(2, '0')}`).join('')
    default:
      return one(ODD)
  }
}

export type Fields = Readonly<Record<string, string>>

/** A form that would be good, with something done to it: a field left out, repeated, replaced; others put in. */
export function form(random: Random, good: Fields): string {
  const { one, many, below } = random
  const pairs = Object.entries(good).map(([name, text]): [string, string] => [
    name,
    encodeURIComponent(text),
  ])
  const changes: (() => void)[] = [
    () => pairs.splice(below(pairs.length), 1),
    () => pairs.push([...one(pairs)]),
    () => pairs.push([one(pairs)[0], value(random)]),
    () => {
      one(pairs)[1] = value(random)
    },
    () => pairs.push(...many(6, (): [string, string] => [one(NAMES), value(random)])),
  ]
  for (let n = 1 + below(3); n > 0 && pairs.length > 0; n--) one(changes)()
  const text = pairs.map((pair) => pair.join(one(['=', '=', '=', '=', '=', '', '==']))).join('&')
  return below(20) === 0 ? text.replaceAll('&', one(['&&', ';', '&\u0000', '\n'])) : text
}

/** JSON metadata of a client, nearly right. */
export function metadata(random: Random, good: object): string {
  const { one, many, below } = random
  const names = [...Object.keys(good), 'jwks', 'scope', 'client_id', 'client_name', '__proto__']
  const changed = { ...good, ...Object.fromEntries(many(4, () => [one(names), anything(random)])) }
  const text = JSON.stringify(changed)
  if (below(6) === 0) return text.slice(0, below(text.length))
  return below(8) === 0 ? text.replace('{', '{"client_name":1,') : text
}

/** Fields of the head of a request; `good` are right, and now and then replaced. */
export function head(random: Random, good: Fields): Record<string, string> {
  const { one, below, bytes } = random
  const headers: Record<string, string> = { ...good }
  const credentials = (): string =>
    one([
      () => `Basic ${bytes(30).toString('base64')}`,
      () => `Basic ${Buffer.from(`${one(ODD)}:${one(ODD)}`).toString('base64')}`,
      () => `${one(['Bearer', 'DPoP', 'bEaReR', 'Digest', ''])} ${brokenJwt(random)}`,
      () => one(['Basic', 'Basic =', 'Bearer', 'Bearer a b', 'DPoP', ',', 'x'.repeat(3000)]),
    ])()
  if (below(4) === 0) headers.Authorization = credentials()
  if (below(4) === 0) headers.DPoP = below(4) === 0 ? one(['', 'a.b', 'x']) : brokenJwt(random)
  if (below(10) === 0) headers['Content-Type'] = one(TYPES)
  if (below(20) === 0) headers['Content-Encoding'] = one(['gzip', 'br', 'x'])
  if (below(10) === 0) headers.Origin = one(['null', 'https://evil.example', 'x', ''])
  if (below(20) === 0) headers.Accept = one(['text/html;q=x', 'application/json', '', '*'])
  return headers
}
