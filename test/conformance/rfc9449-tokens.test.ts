import { expect } from 'chai'
import { calculateJwkThumbprint } from 'jose'
import { WEB_URI } from './support/clients.js'
import { expectError, expectRefused } from './support/expect.js'
import { type Answer, json } from './support/http.js'
import { type ProofChanges, Prover } from './support/proof.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { challenges, claims, success } from './support/values.js'

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

describe('RFC 9449: DPoP-bound tokens', () => {
  row('rfc9449-5-1', 'M', 'answers 400 invalid_dpop_proof to a bad proof', async (suite) => {
    await refusedByToken(suite, [{ claims: { htu: 'https://evil.test/token' } }])
  })

  row(
    'rfc9449-5-2',
    'M',
    'issues tokens of type DPoP, and publishes the algorithms',
    async (suite) => {
      const { tokens } = await bound(suite)
      expect(tokens.token_type).to.equal('DPoP')
      const metadata: Record<string, unknown> = await suite.metadata()
      expect(metadata.dpop_signing_alg_values_supported).to.include('ES256')
    },
  )

  row(
    'rfc9449-5-3',
    'M',
    'binds the refresh token of a public client, and spares the family',
    async (suite) => {
      const { prover, tokens } = await bound(suite)
      const { client_id } = suite.client('fuse')
      const form = { grant_type: 'refresh_token', client_id, refresh_token: tokens.refresh_token }
      expectRefused(await (await Prover.create()).token(suite, form))
      expectRefused(await suite.token(form))
      success(await prover.token(suite, form))
    },
  )

  row(
    'rfc9449-5-4',
    'M',
    'does not bind the refresh token of a confidential client',
    async (suite) => {
      const { client_id } = suite.client('web')
      const code = await suite.code({ client_id, redirect_uri: WEB_URI })
      const form = suite.codeForm(code, { client_id: undefined, redirect_uri: WEB_URI })
      const first = success(await (await Prover.create()).token(suite, form, suite.basic('web')))
      const refresh = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
      const other = await Prover.create()
      const second = success(await other.token(suite, refresh, suite.basic('web')))
      expect(claims(second.access_token).cnf).to.deep.equal({ jkt: other.jkt })
    },
    { clients: ['web'] },
  )

  row(
    'rfc9449-5.2-1',
    'M',
    'requires a proof of clients that are registered so',
    async (suite) => {
      const { client_id } = suite.client('bound')
      const form = suite.codeForm(await suite.code({ client_id }), { client_id })
      expectError(await suite.token(form), 400, 'invalid_dpop_proof')
      success(await (await Prover.create()).token(suite, form))
    },
    { clients: ['bound'] },
  )

  row('rfc9449-6.1-1', 'M', 'names the thumbprint of the key in the token', async (suite) => {
    const { prover, tokens } = await bound(suite)
    const jkt = await calculateJwkThumbprint(prover.jwk, 'sha256')
    expect(claims(tokens.access_token).cnf).to.deep.equal({ jkt })
  })

  row(
    'rfc9449-6.2-1',
    'M',
    'introspects bound tokens as such',
    async (suite) => {
      const { prover, tokens } = await bound(suite)
      const answer = json(await suite.introspect(tokens.access_token))
      expect(answer.cnf).to.deep.equal({ jkt: prover.jkt })
      expect(answer.token_type).to.equal('DPoP')
    },
    { clients: ['fuse', 'server'] },
  )

  row('rfc9449-7.1-1', 'M', 'refuses the DPoP scheme without a proof', async (suite) => {
    const { tokens } = await bound(suite)
    const answer = await suite.http.get(suite.target.resourceUrl, {
      authorization: `DPoP ${tokens.access_token}`,
    })
    expect(answer.status).to.equal(401)
    const dpop = challenges(answer).find(({ scheme }) => scheme === 'DPoP')
    expect(dpop?.params.get('error')?.[0]).to.be.oneOf(['invalid_dpop_proof', 'invalid_token'])
    expect(dpop?.params.get('algs')?.[0]).to.include('ES256')
  })

  row('rfc9449-7.2-1', 'M', 'refuses a bound token as bearer', async (suite) => {
    const { tokens } = await bound(suite)
    expect((await suite.read(tokens.access_token)).status).to.equal(401)
  })

  row(
    'rfc9449-7.2-2',
    'S',
    'offers both schemes, without an error when nothing was sent',
    async (suite) => {
      const offered = challenges(await suite.http.get(suite.target.resourceUrl))
      expect(offered.map(({ scheme }) => scheme)).to.have.members(['Bearer', 'DPoP'])
      for (const { params } of offered) expect(params.has('error')).to.equal(false)
    },
  )

  row('rfc9449-7.2-3', 'P', 'refuses the DPoP scheme with an unbound token', async (suite) => {
    const { access_token } = await suite.tokens()
    expect((await (await Prover.create()).read(suite, access_token)).status).to.equal(401)
  })

  row('rfc9449-8-1', 'M', 'asks for its nonce at the token endpoint', async (suite) => {
    const prover = await Prover.create()
    const url = await suite.endpoint('token')
    const form = suite.codeForm(await suite.code())
    // Good for twice five minutes at most.
    const old = suite.target.inside?.nonceOf(601) ?? 'old'
    for (const nonce of [undefined, 'old', old]) {
      const answer = await suite.http.post(url, form, {
        dpop: await prover.proof('POST', url, { claims: { nonce } }),
      })
      expectError(answer, 400, 'use_dpop_nonce')
      expect(answer.lines.filter(([name]) => name === 'dpop-nonce')).to.have.length(1)
    }
    success(await prover.token(suite, form))
    if (suite.target.inside === undefined) return
    const before = { claims: { nonce: suite.target.inside.nonceOf(240) } }
    const proof = await prover.proof('POST', url, before)
    const late = suite.codeForm(await suite.code())
    success(await suite.http.post(url, late, { dpop: proof }))
  })

  row('rfc9449-8-2', 'M', 'takes no nonce but its own', async (suite) => {
    const { prover } = await bound(suite)
    const url = await suite.endpoint('token')
    expect(prover.nonce).to.match(/^[A-Za-z0-9_-]{20,}$/)
    for (const nonce of [
      'forged',
      String(Math.floor(Date.now() / 300_000)),
      `${prover.nonce}x`,
      (await Prover.create()).jkt,
    ]) {
      const dpop = await prover.proof('POST', url, { claims: { nonce } })
      expectError(await suite.http.post(url, suite.codeForm('x'), { dpop }), 400, 'use_dpop_nonce')
    }
  })

  row('rfc9449-8.2-1', 'P', 'gives the next nonce with every success', async (suite) => {
    const prover = await Prover.create()
    const answer = await prover.redeem(suite)
    expect(answer.headers['dpop-nonce']).to.be.a('string')
    expect(answer.headers['cache-control']).to.include('no-store')
    const { access_token } = success(answer)
    expect((await prover.read(suite, access_token)).headers['dpop-nonce']).to.be.a('string')
  })

  row('rfc9449-9-1', 'M', 'asks for its nonce at the resource', async (suite) => {
    const { prover, tokens } = await bound(suite)
    const url = suite.target.resourceUrl
    const accessToken = tokens.access_token
    const dpop = await prover.proof('GET', url, { accessToken, claims: { nonce: undefined } })
    const answer = await suite.http.get(url, { authorization: `DPoP ${accessToken}`, dpop })
    expect(answer.status).to.equal(401)
    const challenge = challenges(answer).find(({ scheme }) => scheme === 'DPoP')
    expect(challenge?.params.get('error')).to.deep.equal(['use_dpop_nonce'])
    expect(answer.headers['dpop-nonce']).to.be.a('string')
  })

  row('rfc9449-10-1', 'M', 'binds the code to dpop_jkt', async (suite) => {
    const prover = await Prover.create()
    const code = await suite.code({ dpop_jkt: prover.jkt })
    expectRefused(await (await Prover.create()).token(suite, suite.codeForm(code)))
    expectRefused(await suite.redeem(code))
    success(await prover.token(suite, suite.codeForm(code)))
  })

  row('rfc9449-10.1-1', 'M', 'binds pushed requests by dpop_jkt and by a proof', async (suite) => {
    const prover = await Prover.create()
    const url = await suite.endpoint('pushed_authorization_request')
    const push = (form: object): Promise<Answer> =>
      prover.post(suite, url, { ...suite.baseline(), ...form })
    expectRefused(await push({ dpop_jkt: (await Prover.create()).jkt }))
    const plain = () => suite.http.post(url, suite.baseline({ dpop_jkt: prover.jkt }))
    for (const answer of [await push({}), await push({ dpop_jkt: prover.jkt }), await plain()]) {
      const nothing = Object.fromEntries(
        Object.keys(suite.baseline()).map((name) => [name, undefined]),
      )
      const { client_id } = suite.client('fuse')
      const code = await suite.code({
        ...nothing,
        client_id,
        request_uri: String(json(answer).request_uri),
      })
      expectRefused(await (await Prover.create()).token(suite, suite.codeForm(code)))
      success(await prover.token(suite, suite.codeForm(code)))
    }
  })

  row('rfc9449-11.1-1', 'B', 'takes a proof once, after a restart too', async (suite) => {
    const { prover, tokens } = await bound(suite)
    const url = suite.target.resourceUrl
    const accessToken = tokens.access_token
    const dpop = await prover.proof('GET', url, { accessToken })
    const send = () => suite.http.get(url, { authorization: `DPoP ${accessToken}`, dpop })
    expect((await send()).status).to.equal(200)
    expect((await send()).status).to.equal(401)
    if (suite.target.inside !== undefined) {
      await suite.inside.server.stop('SIGKILL')
      await suite.inside.server.restart()
      expect((await send()).status).to.equal(401)
    }
    expect(
      (await prover.read(suite, accessToken, { claims: { jti: 'x'.repeat(1000) } })).status,
    ).to.equal(401)
  })
})
