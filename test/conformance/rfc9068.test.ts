import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import {
  decodeProtectedHeader,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'
import { json } from './support/http.js'
import { connectionsDuring } from './support/listener.js'
import { refusalOf } from './support/registration.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { claims, success } from './support/values.js'

/** Tokens whose identifiers must differ; the full run is COFFER_TOKENS=10000. */
const TOKENS = Number(process.env.COFFER_TOKENS ?? 1000)

/** Not by what is sent: of three times a busy machine is quick once. */
async function quickly(what: string, ask: () => Promise<unknown>): Promise<void> {
  let quickest = Number.POSITIVE_INFINITY
  for (let time = 0; time < 3 && quickest >= 2000; time++) {
    const before = Date.now()
    await ask()
    quickest = Math.min(quickest, Date.now() - before)
  }
  expect(quickest, `${what}: slow`).to.be.below(2000)
}

async function refused(suite: Suite, token: string, what: string): Promise<void> {
  await quickly(what, async () => expect((await suite.read(token)).status, what).to.equal(401))
}

function encode(value: object | string): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString(
    'base64url',
  )
}

describe('RFC 9068: JWT access tokens', () => {
  row('rfc9068-2.1-1', 'M', 'signs tokens of type at+jwt', async (suite) => {
    const { typ, alg } = decodeProtectedHeader((await suite.tokens()).access_token)
    expect(typ).to.equal('at+jwt')
    expect(alg).to.be.oneOf(['ES256', 'RS256'])
  })

  row(
    'rfc9068-2.1-2',
    'M',
    'supports RS256 from end to end',
    async (suite) => {
      const { client_id } = suite.client('rs256')
      const { access_token } = await suite.tokens({ client_id })
      expect(decodeProtectedHeader(access_token).alg).to.equal('RS256')
      expect((await suite.read(access_token)).status).to.equal(200)
    },
    { clients: ['rs256'] },
  )

  row(
    'rfc9068-2.2-1',
    'M',
    'has the required claims, and a jti of its own each',
    async (suite) => {
      const { access_token } = await suite.tokens()
      expect(claims(access_token)).to.include.keys(
        'iss',
        'exp',
        'aud',
        'sub',
        'client_id',
        'iat',
        'jti',
      )
      const ids = new Set<unknown>()
      const form = { grant_type: 'client_credentials' }
      for (let n = 0; n < TOKENS; n += 20) {
        const answers = await Promise.all(
          Array.from({ length: 20 }, () => suite.token(form, suite.basic('service'))),
        )
        for (const answer of answers) ids.add(claims(success(answer).access_token).jti)
      }
      expect(ids.size).to.equal(TOKENS)
    },
    { clients: ['fuse', 'service'], timeout: 30_000 + TOKENS * 30 },
  )

  row(
    'rfc9068-2.2-2',
    'S',
    'never lets a client pass for a user',
    async (suite) => {
      const answer = await suite.token({ grant_type: 'client_credentials' }, suite.basic('service'))
      expect(claims(success(answer).access_token).sub).to.equal(suite.client('service').client_id)
      const sub = suite.inside.userId(suite.target.users[0].username)
      expect(await refusalOf(suite, {}, sub)).to.be.a('string')
    },
    { clients: ['service'], inside: true },
  )

  row('rfc9068-2.2.3-1', 'S', 'has the scope in the token', async (suite) => {
    const { access_token, scope } = await suite.tokens({ scope: 'file.read file.write' })
    expect(claims(access_token).scope).to.equal(scope)
  })

  row('rfc9068-3-1', 'M', 'has a default audience', async (suite) => {
    const challenge = (await suite.http.get(suite.target.resourceUrl)).headers['www-authenticate']
    const metadata = /resource_metadata="([^"]+)"/.exec(challenge ?? '')?.[1] ?? ''
    const { resource } = json(await suite.http.get(metadata))
    expect(claims((await suite.tokens()).access_token).aud).to.equal(resource)
  })

  row(
    'rfc9068-4-1',
    'M',
    'takes no other type of token',
    async (suite) => {
      const { id_token, access_token } = await suite.tokens({ scope: 'openid file.read' })
      await refused(suite, id_token, 'ID token')
      const { keys } = suite.inside
      for (const typ of ['JWT', 'dpop+jwt', 'logout+jwt']) {
        await refused(suite, await keys.sign('ES256', typ, claims(access_token)), typ)
      }
      const media = await keys.sign('ES256', 'application/at+jwt', claims(access_token))
      expect((await suite.read(media)).status).to.equal(200)
    },
    { inside: true },
  )

  row(
    'rfc9068-4-2',
    'M',
    'compares the issuer exactly',
    async (suite) => {
      const { access_token } = await suite.tokens()
      const content = claims(access_token)
      const token = await suite.inside.keys.sign('ES256', 'at+jwt', {
        ...content,
        iss: `${content.iss}/`,
      })
      await refused(suite, token, 'slash')
    },
    { inside: true },
  )

  row(
    'rfc9068-4-3',
    'M',
    'takes only tokens for itself',
    async (suite) => {
      const { access_token } = await suite.tokens()
      const sign = (aud: unknown) =>
        suite.inside.keys.sign('ES256', 'at+jwt', { ...claims(access_token), aud })
      for (const aud of [
        'https://other.test/',
        suite.target.issuer,
        `${suite.target.resourceUrl}`,
        [],
      ]) {
        await refused(suite, await sign(aud), String(aud))
      }
    },
    { inside: true },
  )

  row('rfc9068-4-4', 'M', 'refuses alg none and HMAC with a public key', async (suite) => {
    const { access_token } = await suite.tokens()
    const { kid } = decodeProtectedHeader(access_token)
    const content = claims(access_token)
    await refused(
      suite,
      `${encode({ alg: 'none', typ: 'at+jwt', kid })}.${encode(content)}.`,
      'none',
    )
    const { keys } = json(await suite.http.get(String((await suite.metadata()).jwks_uri))) as {
      keys: JWK[]
    }
    for (const jwk of keys) {
      const pem = await exportSPKI((await importJWK(jwk, jwk.alg)) as never)
      const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: jwk.kid })}.${encode(content)}`
      for (const secret of [pem, JSON.stringify(jwk)]) {
        await refused(
          suite,
          `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`,
          'HS256',
        )
      }
    }
  })

  row('rfc9068-4-5', 'M', 'takes keys from the server alone', async (suite) => {
    const { access_token } = await suite.tokens()
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })

    const jwk = await exportJWK(publicKey)
    const { kid } = decodeProtectedHeader(access_token)
    const fetched = await connectionsDuring(async (origin) => {
      for (const more of [
        { jwk },
        { jku: `${origin}/jwks` },
        { x5u: `${origin}/x5u` },
        { kid: 'other', jwk },
        { kid: `${origin}/jwks` },
      ]) {
        const header = { alg: 'ES256', typ: 'at+jwt', ...(kid !== undefined && { kid }), ...more }
        await refused(
          suite,
          await new SignJWT(claims(access_token)).setProtectedHeader(header).sign(privateKey),
          JSON.stringify(more),
        )
      }
    })
    expect(fetched).to.equal(0)
  })

  row(
    'rfc9068-4-6',
    'M',
    'checks the expiry',
    async (suite) => {
      const { access_token } = await suite.tokens()
      const now = Math.floor(Date.now() / 1000)
      const token = await suite.inside.keys.sign('ES256', 'at+jwt', {
        ...claims(access_token),
        exp: now - 61,
      })
      await refused(suite, token, 'expired')
    },
    { inside: true },
  )

  row('rfc9068-4-8', 'B', 'parses JWS strictly', async (suite) => {
    const { access_token } = await suite.tokens()
    const [head = '', body = '', signature = ''] = access_token.split('.')
    const { kid } = decodeProtectedHeader(access_token)
    const header = `{"alg":"ES256","typ":"at+jwt","kid":"${kid}"`
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet[(alphabet.indexOf(signature.at(-1) ?? 'A') ^ 1) & 63] ?? ''
    const bad = {
      'duplicate keys': `${encode(`${header},"alg":"ES256"}`)}.${body}.${signature}`,
      crit: `${encode(`${header},"crit":["x"],"x":1}`)}.${body}.${signature}`,
      'extra dot': `${access_token}.`,
      'four parts': `${access_token}.${signature}`,
      'non-canonical': `${head}.${body}.${signature.slice(0, -1)}${last}`,
      padded: `${head}.${body}.${signature}=`,
      large: `${head}.${'A'.repeat(12_000)}.${signature}`,
      empty: '..',
      array: `${encode('[]')}.${body}.${signature}`,
    }
    for (const [what, token] of Object.entries(bad)) await refused(suite, token, what)
    expect((await suite.read(access_token)).status).to.equal(200)
    const long = `${head}.${'A'.repeat(64 * 1024)}.${signature}`
    await refused(suite, long, '64 KiB')
    const form = { access_token: `${head}.${'A'.repeat(60_000)}.${signature}` }
    const url = await suite.endpoint('userinfo')
    await quickly('60 KB in a form', async () =>
      expect((await suite.http.post(url, form)).status).to.equal(401),
    )
    if (suite.target.inside === undefined) return
    // With a good signature, so that nothing but the parser can refuse them.
    const { signText } = suite.inside
    const plain = (kid: string) => `{"alg":"ES256","typ":"at+jwt","kid":"${kid}"}`
    const text = JSON.stringify(claims(access_token))
    expect((await suite.read(await signText(plain, text))).status).to.equal(200)
    const more = (members: string) => (kid: string) => plain(kid).replace('}', `,${members}}`)
    const signed = {
      'repeated header member': await signText(more('"typ":"at+jwt"'), text),
      'repeated by an escape': await signText(more('"\\u0074yp":"at+jwt"'), text),
      'critical extension': await signText(more('"crit":["x"],"x":1'), text),
      'repeated claim': await signText(plain, text.replace('{', '{"scope":"file.write",')),
      'claims in an array': await signText(plain, `[${text}]`),
      'claims behind a byte order mark': await signText(plain, `\ufeff${text}`),
    }
    for (const [what, token] of Object.entries(signed)) await refused(suite, token, what)
  })

  row('rfc9068-5-1', 'M', 'has an audience that ID tokens do not have', async (suite) => {
    const { id_token, access_token } = await suite.tokens({ scope: 'openid file.read' })
    expect([claims(id_token).aud].flat()).to.not.include([claims(access_token).aud].flat()[0])
  })
})
