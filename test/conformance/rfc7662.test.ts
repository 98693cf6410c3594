import { expect } from 'chai'
import { decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose'
import { expectError } from './support/expect.js'
import { json } from './support/http.js'
import { row } from './support/row.js'
import { basic, claims } from './support/values.js'

describe('RFC 7662: introspection', () => {
  row('rfc7662-2.1-1', 'M', 'requires authorization', async (suite) => {
    const url = await suite.endpoint('introspection')
    const { client_id } = suite.client('fuse')
    for (const form of [{ token: 'x' }, { token: 'x', client_id }]) {
      const answer = await suite.http.post(url, form)
      expect(answer.status).to.equal(401)
      expect(answer.headers['www-authenticate']).to.be.a('string')
    }
  })

  row(
    'rfc7662-2.1-2',
    'M',
    'takes POST of a form only',
    async (suite) => {
      const url = await suite.endpoint('introspection')
      expect((await suite.http.get(`${url}?token=x`, suite.basic('server'))).status).to.equal(405)
      const type = { 'content-type': 'application/json' }
      const answer = await suite.http.post(url, '{"token":"x"}', {
        ...suite.basic('server'),
        ...type,
      })
      expect(answer.status).to.equal(400)
    },
    { clients: ['server'] },
  )

  row(
    'rfc7662-2.2-1',
    'M',
    'describes an active token',
    async (suite) => {
      const { access_token, refresh_token } = await suite.tokens()
      const answer = json(await suite.introspect(access_token))
      const expected = claims(access_token)
      expect(answer.active).to.equal(true)
      expect(answer.token_type).to.equal('Bearer')
      for (const name of ['scope', 'client_id', 'sub', 'aud', 'iss', 'exp', 'iat', 'jti']) {
        expect(answer[name], name).to.deep.equal(expected[name])
      }
      expect(json(await suite.introspect(refresh_token))).to.include({
        active: true,
        scope: 'file.read',
      })
    },
    { clients: ['fuse', 'server'] },
  )

  row(
    'rfc7662-2.2-2',
    'M',
    'says of any other token that it is inactive, and nothing else',
    async (suite) => {
      const { access_token } = await suite.tokens()
      const revoked = await suite.tokens()
      await suite.revoke(revoked.refresh_token)
      const answers = [
        await suite.introspect('unknown'),
        await suite.introspect('a.b.c'),
        await suite.introspect(revoked.access_token),
        await suite.introspect(revoked.refresh_token),
        await suite.introspect(access_token, 'web'),
      ]
      if (suite.target.inside !== undefined) {
        const expired = { ...claims(access_token), exp: Math.floor(Date.now() / 1000) - 1 }
        answers.push(
          await suite.introspect(await suite.target.inside.keys.sign('ES256', 'at+jwt', expired)),
        )
        const idle = await suite.tokens()
        suite.inside.passTime(31 * 86_400)
        answers.push(await suite.introspect(idle.refresh_token))
      }
      for (const { status, body } of answers)
        expect([status, body]).to.deep.equal([200, '{"active":false}'])
    },
    { clients: ['fuse', 'server', 'web'] },
  )

  row(
    'rfc7662-2.3-1',
    'M',
    'answers 401 to wrong credentials',
    async (suite) => {
      const { client_id } = suite.client('server')
      const authorization = basic(client_id, 'wrong')
      expectError(
        await suite.http.post(
          await suite.endpoint('introspection'),
          { token: 'x' },
          { authorization },
        ),
        401,
        'invalid_client',
      )
    },
    { clients: ['server'] },
  )

  row('rfc7662-2.3-2', 'M', 'does not take a bearer token as credential', async (suite) => {
    const { access_token } = await suite.tokens()
    const authorization = `Bearer ${access_token}`
    const answer = await suite.http.post(
      await suite.endpoint('introspection'),
      { token: access_token },
      { authorization },
    )
    expect(answer.status).to.equal(401)
  })

  row(
    'rfc7662-4-1',
    'M',
    'checks signature, exp, nbf and revocation',
    async (suite) => {
      const { access_token } = await suite.tokens()
      const { kid, alg = 'ES256' } = decodeProtectedHeader(access_token)
      const { privateKey } = await generateKeyPair(alg)
      const forged = await new SignJWT(claims(access_token))
        .setProtectedHeader({ alg, typ: 'at+jwt', ...(kid !== undefined && { kid }) })
        .sign(privateKey)
      expect(json(await suite.introspect(forged)).active).to.equal(false)
      expect(json(await suite.introspect(access_token)).active).to.equal(true)
      if (suite.target.inside !== undefined) {
        const { keys } = suite.target.inside
        const now = Math.floor(Date.now() / 1000)
        for (const [changes, active] of [
          [{}, true],
          [{ exp: now - 1 }, false],
          [{ nbf: now + 60 }, false],
          [{ nbf: now - 60 }, true],
        ] as const) {
          const token = await keys.sign('ES256', 'at+jwt', { ...claims(access_token), ...changes })
          const answer = json(await suite.introspect(token))
          expect(answer.active, JSON.stringify(changes)).to.equal(active)
        }
      }
      await suite.revoke(access_token)
      expect(json(await suite.introspect(access_token)).active).to.equal(false)
    },
    { clients: ['fuse', 'server'] },
  )

  row(
    'rfc7662-4-2',
    'P',
    'takes the tokens of a disabled user for inactive, and those from before a new password',
    async (suite) => {
      const [, second] = suite.target.users
      const { inside } = suite
      const { access_token } = await suite.tokens({}, await suite.login(second))
      inside.setDisabled(second.username, true)
      expect(json(await suite.introspect(access_token)).active).to.equal(false)
      expect((await suite.read(access_token)).status).to.equal(401)
      inside.setDisabled(second.username, false)
      const later = await suite.tokens({}, await suite.login(second))
      expect(json(await suite.introspect(later.access_token)).active).to.equal(true)
      await inside.changePassword(second.username, second.password)
      expect(json(await suite.introspect(later.access_token)).active).to.equal(false)
      expectError(await suite.refresh(later.refresh_token), 400, 'invalid_grant')
    },
    { inside: true, clients: ['fuse', 'server'] },
  )
})
