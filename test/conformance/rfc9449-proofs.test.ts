import { expect } from 'chai'
import { exportJWK, SignJWT } from 'jose'
import { expectError } from './support/expect.js'
import { type ProofChanges, Prover } from './support/proof.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { success, unique } from './support/values.js'

/** A prover with bound tokens, that knows the nonce. */
async function bound(suite: Suite, changes = {}) {
  const prover = await Prover.create()
  const tokens = success(await prover.redeem(suite, changes))
  return { prover, tokens }
}

/** Every wrong proof is refused by the token endpoint, and harms nothing. */
async function refusedByToken(suite: Suite, wrong: readonly ProofChanges[]): Promise<void> {
  const { prover, tokens } = await bound(suite)
  const { client_id } = suite.client('fuse')
  const form = { grant_type: 'refresh_token', client_id, refresh_token: tokens.refresh_token }
  for (const changes of wrong) {
    const answer = await prover.token(suite, form, {}, changes)
    expectError(answer, 400, 'invalid_dpop_proof')
  }
  success(await prover.token(suite, form))
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

describe('RFC 9449: DPoP proofs', () => {
  row('rfc9449-4.3-1', 'M', 'takes exactly one DPoP field', async (suite) => {
    const { prover, tokens } = await bound(suite)
    const url = await suite.endpoint('token')
    const { client_id } = suite.client('fuse')
    const form = { grant_type: 'refresh_token', client_id, refresh_token: tokens.refresh_token }
    const dpop = [await prover.proof('POST', url), await prover.proof('POST', url)]
    expectError(await suite.http.post(url, form, { dpop }), 400, 'invalid_dpop_proof')
    const accessToken = tokens.access_token
    const target = suite.target.resourceUrl
    const two = [
      await prover.proof('GET', target, { accessToken }),
      await prover.proof('GET', target, { accessToken }),
    ]
    const answer = await suite.http.get(target, { authorization: `DPoP ${accessToken}`, dpop: two })
    expect(answer.status).to.equal(401)
  })

  row('rfc9449-4.3-2', 'M', 'takes a well-formed JWT only', async (suite) => {
    const url = await suite.endpoint('token')
    const form = suite.codeForm(await suite.code())
    const withKey = (jwk: string) =>
      `${Buffer.from(`{"typ":"dpop+jwt","alg":"ES256","jwk":${jwk}}`).toString('base64url')}.e30.AAAA`
    const deep = `{"kty":"EC","x":${'['.repeat(5900)}${']'.repeat(5900)}}`
    const strange = ['{"kty":"constructor"}', '{"kty":"toString"}', '{"kty":["EC"]}', deep]
    for (const dpop of [
      ...['a.b', 'garbage', 'a.b.c', '{}', 'A'.repeat(9000)],
      ...strange.map(withKey),
    ]) {
      expectError(await suite.http.post(url, form, { dpop }), 400, 'invalid_dpop_proof')
    }
  })

  row('rfc9449-4.3-3', 'M', 'requires jti, htm, htu and iat of the right types', async (suite) => {
    await refusedByToken(suite, [
      ...['jti', 'htm', 'htu', 'iat'].map((name) => ({ claims: { [name]: undefined } })),
      { claims: { htu: 1 } },
      { claims: { htm: 1 } },
      { claims: { jti: 1 } },
      { claims: { iat: 'now' } },
    ])
  })

  row('rfc9449-4.3-4', 'M', 'requires the type dpop+jwt', async (suite) => {
    await refusedByToken(suite, [{ header: { typ: 'JWT' } }, { header: { typ: undefined } }])
  })

  row('rfc9449-4.3-5', 'M', 'takes asymmetric algorithms that fit the key only', async (suite) => {
    const { prover } = await bound(suite)
    const url = await suite.endpoint('token')
    const form = suite.codeForm(await suite.code())
    const content = { jti: unique(), htm: 'POST', htu: url, iat: seconds(), nonce: prover.nonce }
    const hmac = new TextEncoder().encode('x'.repeat(32))
    const symmetric = await new SignJWT(content)
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'HS256', jwk: prover.jwk })
      .sign(hmac)
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const none = `${part({ typ: 'dpop+jwt', alg: 'none', jwk: prover.jwk })}.${part(content)}.`
    const [, body = '', signature = ''] = (await prover.proof('POST', url)).split('.')
    const mismatch = `${part({ typ: 'dpop+jwt', alg: 'RS256', jwk: prover.jwk })}.${body}.${signature}`
    for (const dpop of [symmetric, none, mismatch]) {
      expectError(await suite.http.post(url, form, { dpop }), 400, 'invalid_dpop_proof')
    }
  })

  row('rfc9449-4.3-6', 'M', 'verifies the signature with the key in the header', async (suite) => {
    const { prover } = await bound(suite)
    const other = await Prover.create()
    await refusedByToken(suite, [{ header: { jwk: other.jwk } }])
    const url = await suite.endpoint('token')
    const proof = await prover.proof('POST', url)
    const flipped = proof.replace(
      /\.([^.])([^.]*)$/,
      (_, c, rest) => `.${c === 'A' ? 'B' : 'A'}${rest}`,
    )
    const form = suite.codeForm(await suite.code())
    expectError(await suite.http.post(url, form, { dpop: flipped }), 400, 'invalid_dpop_proof')
  })

  row('rfc9449-4.3-7', 'M', 'refuses a proof that carries its private key', async (suite) => {
    const prover = await Prover.create()
    const jwk = await exportJWK(prover.key)
    expect(jwk).to.have.property('d')
    expectError(
      await prover.token(suite, suite.codeForm(await suite.code()), {}, { header: { jwk } }),
      400,
      'invalid_dpop_proof',
    )
  })

  row('rfc9449-4.3-8', 'M', 'compares the method', async (suite) => {
    await refusedByToken(suite, [{ claims: { htm: 'GET' } }, { claims: { htm: 'post' } }])
    const { prover, tokens } = await bound(suite)
    expect(
      (await prover.read(suite, tokens.access_token, { claims: { htm: 'PUT' } })).status,
    ).to.equal(401)
  })

  row(
    'rfc9449-4.3-9',
    'M',
    'compares the URL without query and fragment, normalized',
    async (suite) => {
      const { prover, tokens } = await bound(suite)
      const url = suite.target.resourceUrl
      const { hostname, host } = new URL(url)
      const read = (htu: string, at = url) =>
        prover.read(suite, tokens.access_token, { claims: { htu } }, at)
      for (const htu of [
        `${url}other`,
        url.replace('https', 'http'),
        url.replace(hostname, 'evil.test'),
        'x',
      ]) {
        expect((await read(htu)).status, htu).to.equal(401)
      }
      expect((await read(url, `${url}?limit=1`)).status).to.equal(200)
      for (const htu of [
        `${url}?a=1#f`,
        url.replace(host, host.toUpperCase()),
        url.replace('/files', '/%66iles'),
        ...(new URL(url).port === '' ? [url.replace(host, `${host}:443`)] : []),
      ]) {
        expect((await read(htu)).status, htu).to.equal(200)
      }
      // There are no such files, but the proofs are for them, however their "~" and "é" are written.
      const tilde = `${url}~tilde`
      for (const [htu, at] of [
        [tilde.replace('~', '%7E'), tilde],
        [tilde, tilde.replace('~', '%7e')],
        [`${url}%c3%a9`, `${url}%C3%A9`],
      ] as const) {
        expect((await read(htu, at)).status, htu).to.equal(404)
      }
    },
  )

  row('rfc9449-4.3-10', 'M', 'takes proofs of now only', async (suite) => {
    await refusedByToken(suite, [
      { claims: { iat: seconds() - 3600 } },
      { claims: { iat: seconds() + 3600 } },
    ])
    const { prover, tokens } = await bound(suite)
    for (const difference of [-10, 10]) {
      expect(
        (await prover.read(suite, tokens.access_token, { claims: { iat: seconds() + difference } }))
          .status,
      ).to.equal(200)
    }
  })

  row(
    'rfc9449-4.3-11',
    'M',
    'requires the hash of the access token at the resource',
    async (suite) => {
      const { prover, tokens } = await bound(suite)
      for (const ath of [undefined, 'x', (await Prover.create()).jkt]) {
        expect(
          (await prover.read(suite, tokens.access_token, { claims: { ath } })).status,
        ).to.equal(401)
      }
    },
  )

  row('rfc9449-4.3-12', 'M', 'requires the key of the token', async (suite) => {
    const { prover, tokens } = await bound(suite)
    const other = await Prover.create()
    expect((await other.read(suite, tokens.access_token)).status).to.equal(401)
    expect((await prover.read(suite, tokens.access_token)).status).to.equal(200)
  })

  row('rfc9449-4.3-13', 'M', 'compares the field name in any case', async (suite) => {
    const { prover } = await bound(suite)
    const url = await suite.endpoint('token')
    const answer = await suite.http.post(url, suite.codeForm(await suite.code()), {
      dPoP: await prover.proof('POST', url),
    })
    expect(success(answer).token_type).to.equal('DPoP')
  })
})
