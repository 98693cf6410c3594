import { expect } from 'chai'
import { expectError } from './support/expect.js'
import { row } from './support/row.js'
import { basic, claims, success, unique } from './support/values.js'

/** Races of revocation and refresh; the full run is COFFER_RACES=10000. */
const RACES = Number(process.env.COFFER_RACES ?? 200)

describe('RFC 7009: revocation', () => {
  row('rfc7009-2-1', 'M', 'revokes refresh tokens', async (suite) => {
    const { refresh_token } = await suite.tokens()
    expect((await suite.revoke(refresh_token)).status).to.equal(200)
    expectError(await suite.refresh(refresh_token), 400, 'invalid_grant')
  })

  row('rfc7009-2-2', 'S', 'revokes access tokens at once', async (suite) => {
    const { access_token } = await suite.tokens()
    expect((await suite.read(access_token)).status).to.equal(200)
    expect((await suite.revoke(access_token)).status).to.equal(200)
    expect((await suite.read(access_token)).status).to.equal(401)
  })

  row('rfc7009-2.1-1', 'M', 'finds a token whatever the hint says', async (suite) => {
    for (const token_type_hint of ['access_token', 'foo']) {
      const { refresh_token } = await suite.tokens()
      expect((await suite.revoke(refresh_token, { token_type_hint })).status).to.equal(200)
      expectError(await suite.refresh(refresh_token), 400, 'invalid_grant')
    }
    for (const token_type_hint of ['refresh_token', 'foo']) {
      const { access_token } = await suite.tokens()
      expect((await suite.revoke(access_token, { token_type_hint })).status).to.equal(200)
      expect((await suite.read(access_token)).status).to.equal(401)
    }
  })

  row(
    'rfc7009-2.1-3',
    'M',
    'authenticates the client',
    async (suite) => {
      const { refresh_token, access_token } = await suite.webTokens()
      const { client_id } = suite.client('web')
      const wrong = { authorization: basic(client_id, unique()) }
      expectError(
        await suite.revoke(refresh_token, { client_id: undefined }, wrong),
        401,
        'invalid_client',
      )
      expectError(await suite.revoke(refresh_token, { client_id }), 401, 'invalid_client')
      expect((await suite.read(access_token)).status).to.equal(200)
      success(await suite.refresh(refresh_token, { client_id: undefined }, suite.basic('web')))
    },
    { clients: ['web'] },
  )

  row(
    'rfc7009-2.1-4',
    'M',
    'leaves tokens of other clients alone',
    async (suite) => {
      const { refresh_token, access_token } = await suite.webTokens()
      await suite.revoke(refresh_token)
      await suite.revoke(access_token)
      expect((await suite.read(access_token)).status).to.equal(200)
      success(await suite.refresh(refresh_token, { client_id: undefined }, suite.basic('web')))
    },
    { clients: ['fuse', 'web'] },
  )

  row(
    'rfc7009-2.1-5',
    'S',
    'revokes the access tokens of a refresh token with it',
    async (suite) => {
      const { refresh_token, access_token } = await suite.tokens()
      await suite.revoke(refresh_token)
      expect((await suite.read(access_token)).status).to.equal(401)
    },
  )

  row('rfc7009-2.2-1', 'M', 'answers 200 to unknown and revoked tokens', async (suite) => {
    const { refresh_token, access_token } = await suite.tokens()
    const expired = await suite.target.inside?.keys.sign('ES256', 'at+jwt', {
      ...claims(access_token),
      exp: 1,
    })
    for (const token of ['garbage', refresh_token, refresh_token, expired ?? access_token]) {
      expect((await suite.revoke(token)).status).to.equal(200)
    }
  })

  row('rfc7009-2.2.1-1', 'M', 'answers errors as the token endpoint does', async (suite) => {
    expectError(await suite.revoke(''), 400, 'invalid_request')
    expect((await suite.http.get(await suite.endpoint('revocation'))).status).to.equal(405)
  })

  row(
    'rfc7009-2-3',
    'B',
    'leaves nothing alive when revocation and refresh race',
    async (suite) => {
      const won = { refresh: 0, revocation: 0 }
      for (let round = 0; round < RACES; round++) {
        const { refresh_token, access_token } = await suite.tokens()
        const refresh = () => suite.refresh(refresh_token)
        const revoke = () => suite.revoke(refresh_token)
        // Who sets out first takes turns, and the other follows at once or some milliseconds later: each gets there first at times.
        const first = round % 2 === 0 ? refresh() : revoke()
        await new Promise((resolve) => setTimeout(resolve, round % 5))
        const second = round % 2 === 0 ? revoke() : refresh()
        const [refreshed, revoked] =
          round % 2 === 0 ? [await first, await second] : [await second, await first]
        expect(revoked.status).to.equal(200)
        if (refreshed.status === 200) {
          won.refresh++
          const next = success(refreshed)
          expectError(await suite.refresh(next.refresh_token), 400, 'invalid_grant')
          expect((await suite.read(next.access_token)).status).to.equal(401)
        } else {
          won.revocation++
          expectError(await suite.refresh(refresh_token), 400, 'invalid_grant')
        }
        expect((await suite.read(access_token)).status).to.equal(401)
      }
      process.stderr.write(`rfc7009-2-3: ${JSON.stringify(won)}\n`)
      expect(Math.min(won.refresh, won.revocation), JSON.stringify(won)).to.be.above(RACES / 20)
    },
    { timeout: 60_000 + RACES * 300 },
  )
})
