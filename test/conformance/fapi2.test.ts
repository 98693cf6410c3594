import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import { CLIENTS, WEB_URI } from './support/clients.js'
import { expectError, expectRedirect } from './support/expect.js'
import { json } from './support/http.js'
import { Prover } from './support/proof.js'
import { refusalOf, registered } from './support/registration.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { claims, success } from './support/values.js'

/** A code by the only way there is: pushed, with a key. */
async function code(suite: Suite, prover: Prover): Promise<string> {
  const { client_id } = suite.client('fapi')
  const url = await suite.endpoint('pushed_authorization_request')
  const form = {
    ...suite.baseline({ client_id, redirect_uri: WEB_URI }),
    ...(await suite.assertion('fapi')),
  }
  const answer = await prover.post(suite, url, form)
  const nothing = Object.fromEntries(Object.keys(suite.baseline()).map((name) => [name, undefined]))
  return suite.code({ ...nothing, client_id, request_uri: String(json(answer).request_uri) })
}

/** An assertion is good for one request, so the nonce is fetched beforehand. */
async function learnNonce(suite: Suite, prover: Prover): Promise<void> {
  const { client_id } = suite.client('fuse')
  await prover.token(suite, { grant_type: 'refresh_token', client_id, refresh_token: 'x' })
}

const needs = { clients: ['fuse', 'fapi'] as const }

describe('FAPI 2.0 Security Profile', () => {
  row(
    'fapi2-5.3.2.1-1',
    'M',
    'gives sender-constrained tokens to a client that pushes, and authenticates by key',
    async (suite) => {
      const prover = await Prover.create()
      await learnNonce(suite, prover)
      const form = suite.codeForm(await code(suite, prover), { redirect_uri: WEB_URI })
      const tokens = success(
        await prover.token(suite, { ...form, ...(await suite.assertion('fapi')) }),
      )
      expect(tokens.token_type).to.equal('DPoP')
      expect(claims(tokens.access_token).cnf).to.deep.equal({ jkt: prover.jkt })
      expect(decodeProtectedHeader(tokens.access_token).alg).to.be.oneOf(['ES256', 'PS256'])
      expect((await prover.read(suite, tokens.access_token)).status).to.equal(200)
    },
    needs,
  )

  row(
    'fapi2-5.3.2.2-1',
    'M',
    'takes no authorization request that was not pushed, and none without its redirect_uri',
    async (suite) => {
      const { client_id } = suite.client('fapi')
      expectRedirect(await suite.asked({ client_id, redirect_uri: WEB_URI }), 'invalid_request')
      const url = await suite.endpoint('pushed_authorization_request')
      const form = suite.baseline({ client_id, redirect_uri: undefined })
      const answer = await suite.http.post(url, { ...form, ...(await suite.assertion('fapi')) })
      expectError(answer, 400, 'invalid_request')
    },
    needs,
  )

  row(
    'fapi2-5.3.2.1-2',
    'M',
    'issues nothing without a proof of the key',
    async (suite) => {
      const prover = await Prover.create()
      await learnNonce(suite, prover)
      const form = suite.codeForm(await code(suite, prover), { redirect_uri: WEB_URI })
      expectError(
        await suite.token({ ...form, ...(await suite.assertion('fapi')) }),
        400,
        'invalid_dpop_proof',
      )
    },
    needs,
  )

  row(
    'fapi2-5.3.2.1-4',
    'M',
    'does not rotate refresh tokens',
    async (suite) => {
      const prover = await Prover.create()
      await learnNonce(suite, prover)
      const form = suite.codeForm(await code(suite, prover), { redirect_uri: WEB_URI })
      const first = success(
        await prover.token(suite, { ...form, ...(await suite.assertion('fapi')) }),
      )
      const { refresh_token } = first
      for (let n = 0; n < 2; n++) {
        const again = {
          grant_type: 'refresh_token',
          refresh_token,
          ...(await suite.assertion('fapi')),
        }
        expect(success(await prover.token(suite, again)).refresh_token).to.equal(refresh_token)
      }
    },
    needs,
  )

  row(
    'fapi2-5.4.1-1',
    'M',
    'takes assertions and proofs that are signed with PS256 or ES256, not with RS256',
    async (suite) => {
      const { publicKey, privateKey } = await generateKeyPair('PS256', { extractable: true })
      const asRs256 = await importJWK(await exportJWK(privateKey), 'RS256')
      const { alg: _, ...jwk } = await exportJWK(publicKey)
      const client_id = await registered(suite, { ...CLIENTS.fapi, jwks: { keys: [jwk] } })
      const error = async (alg: string, key: Parameters<SignJWT['sign']>[0]) => {
        const now = Math.floor(Date.now() / 1000)
        const claims = { iss: client_id, sub: client_id, aud: suite.target.issuer, exp: now + 60 }
        const client_assertion = await new SignJWT({ ...claims, jti: randomUUID() })
          .setProtectedHeader({ alg })
          .sign(key)
        const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
        return json(
          await suite.token({
            ...{ client_assertion_type, client_assertion },
            ...{ grant_type: 'refresh_token', refresh_token: 'x' },
          }),
        )
      }
      expect((await error('RS256', asRs256)).error).to.equal('invalid_client')
      expect((await error('PS256', privateKey)).error).to.not.equal('invalid_client')

      const prover = await Prover.create('RS256')
      await prover.token(
        suite,
        {
          ...{ grant_type: 'refresh_token', refresh_token: 'x' },
          client_id: suite.client('fuse').client_id,
        },
        {},
        { header: { alg: 'RS256' } },
      )
      const url = await suite.endpoint('pushed_authorization_request')
      const form = suite.baseline({ redirect_uri: WEB_URI })
      const pushed = async (alg: string, key: Prover) =>
        key.post(
          suite,
          url,
          { ...form, ...(await suite.assertion('fapi')) },
          {},
          { header: { alg } },
        )
      expectError(await pushed('RS256', prover), 400, 'invalid_dpop_proof')
    },
    { inside: true, clients: ['fuse', 'fapi'] },
  )

  row(
    'fapi2-5.3.2.1-3',
    'M',
    'registers such a client only with private_key_jwt',
    async (suite) => {
      for (const token_endpoint_auth_method of ['none', 'client_secret_basic']) {
        expect(await refusalOf(suite, { fapi: true, token_endpoint_auth_method })).to.be.a('string')
      }
    },
    { inside: true },
  )
})
