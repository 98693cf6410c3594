import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { WEB_URI } from './support/clients.js'
import { expectError, expectRedirect, expectRefused } from './support/expect.js'
import { row } from './support/row.js'
import { CODE_CHALLENGE, success } from './support/values.js'

describe('RFC 7636: PKCE', () => {
  row(
    'rfc7636-4.1-1',
    'M',
    'takes verifiers of 43 to 128 unreserved characters only',
    async (suite) => {
      for (const code_verifier of [
        'x'.repeat(42),
        'x'.repeat(129),
        `${'x'.repeat(42)}+`,
        `${'x'.repeat(42)}/`,
        `${'x'.repeat(43)}=`,
      ]) {
        // the challenge is its own: nothing else is wrong with it
        const code_challenge = createHash('sha256').update(code_verifier).digest('base64url')
        const code = await suite.code({ code_challenge })
        expectRefused(await suite.redeem(code, { code_verifier }))
      }
    },
  )

  row('rfc7636-4.3-1', 'M', 'refuses an absent method, which means plain', async (suite) => {
    expectRedirect(await suite.asked({ code_challenge_method: undefined }), 'invalid_request')
  })

  row('rfc7636-4.3-2', 'S', 'refuses plain', async (suite) => {
    expectRedirect(await suite.asked({ code_challenge_method: 'plain' }), 'invalid_request')
  })

  row(
    'rfc7636-4.3-3',
    'M',
    'compares the method case-sensitively and checks the syntax of the challenge',
    async (suite) => {
      expectRedirect(await suite.asked({ code_challenge_method: 's256' }), 'invalid_request')
      for (const code_challenge of [
        CODE_CHALLENGE.slice(1),
        `${CODE_CHALLENGE}A`,
        `${CODE_CHALLENGE}=`,
        CODE_CHALLENGE.replace('-', '+'),
      ]) {
        expectRedirect(await suite.asked({ code_challenge }), 'invalid_request')
      }
    },
  )

  row('rfc7636-4.4-1', 'M', 'binds the challenge to the code', async (suite) => {
    const code_challenge = 'wqvm3nVHp1rUUIg1HCp5SMRsoqjlmsKl83oKN9ECUoM'
    const code = await suite.code({ code_challenge })
    expectError(await suite.redeem(code), 400, 'invalid_grant')
  })

  row(
    'rfc7636-4.4.1-1',
    'M',
    'refuses a missing challenge, of public and of confidential clients',
    async (suite) => {
      expectRedirect(await suite.asked({ code_challenge: undefined }), 'invalid_request')
      expectRedirect(
        await suite.asked(await suite.web({ code_challenge: undefined })),
        'invalid_request',
      )
    },
    { clients: ['fuse', 'web'] },
  )

  row('rfc7636-4.5-1', 'M', 'refuses a missing verifier', async (suite) => {
    expectRefused(await suite.redeem(await suite.code(), { code_verifier: undefined }))
  })

  row('rfc7636-4.6-1', 'M', 'verifies S256 as the example of appendix B', async (suite) => {
    success(await suite.redeem(await suite.code()))
  })

  row('rfc7636-4.6-2', 'M', 'answers invalid_grant to a wrong verifier', async (suite) => {
    expectError(
      await suite.redeem(await suite.code(), { code_verifier: 'x'.repeat(43) }),
      400,
      'invalid_grant',
    )
  })

  row('rfc7636-4.6-3', 'M', 'refuses the challenge as verifier', async (suite) => {
    expectError(
      await suite.redeem(await suite.code(), { code_verifier: CODE_CHALLENGE }),
      400,
      'invalid_grant',
    )
  })

  row('rfc7636-4.6-4', 'B', 'voids a code after one wrong verifier', async (suite) => {
    const code = await suite.code()
    await suite.redeem(code, { code_verifier: 'x'.repeat(43) })
    expectError(await suite.redeem(code), 400, 'invalid_grant')
  })

  row(
    'oauth21-4.1.3-1',
    'M',
    'demands a verifier exactly when there was a challenge',
    async (suite) => {
      const { client_id } = suite.client('web')
      const code = await suite.code({ client_id, redirect_uri: WEB_URI })
      const form = { client_id: undefined, redirect_uri: WEB_URI, code_verifier: undefined }
      expectRefused(await suite.redeem(code, form, suite.basic('web')))
    },
    { clients: ['web'] },
  )

  row(
    'oauth21-10.2-1',
    'M',
    'takes the redirect_uri of 2.0 clients, and its absence from 2.1 clients with one registered',
    async (suite) => {
      const { client_id } = suite.client('web')
      const one = await suite.code({ client_id, redirect_uri: undefined })
      const answer = await suite.redeem(
        one,
        { client_id: undefined, redirect_uri: undefined },
        suite.basic('web'),
      )
      expect(answer.status, answer.body).to.equal(200)
      await suite.webTokens()
    },
    { clients: ['web'] },
  )
})
