import { expect } from 'chai'
import { expectError, expectRefused } from './support/expect.js'
import { json } from './support/http.js'
import { row } from './support/row.js'
import { success } from './support/values.js'

describe('RFC 6749: token endpoint', () => {
  row('rfc6749-3.2-1', 'M', 'takes POST only', async (suite) => {
    const url = await suite.endpoint('token')
    for (const method of ['GET', 'PUT', 'HEAD']) {
      const answer = await suite.http.send(method, url)
      expect(answer.status, method).to.equal(405)
      expect(answer.headers.allow).to.include('POST')
    }
  })

  row('rfc6749-3.2-2', 'M', 'refuses a repeated parameter', async (suite) => {
    const { client_id } = suite.client('fuse')
    const code = await suite.code()
    for (const changes of [
      { grant_type: ['authorization_code', 'authorization_code'] },
      { code: [code, code] },
      { client_id: [client_id, client_id] },
      { foo: ['one', 'two'] },
    ]) {
      expectError(await suite.redeem(code, changes), 400, 'invalid_request')
    }
  })

  row(
    'rfc6749-3.2-3',
    'M',
    'ignores unknown parameters and takes empty ones as omitted',
    async (suite) => {
      success(await suite.redeem(await suite.code(), { foo: '1' }))
      expectRefused(await suite.redeem(await suite.code(), { code_verifier: '' }))
    },
  )

  row('rfc6749-3.2-4', 'M', 'takes a form-encoded body only', async (suite) => {
    const code = await suite.code()
    const url = await suite.endpoint('token')
    const form = new URLSearchParams(suite.codeForm(code) as Record<string, string>).toString()
    const bodies: [string | undefined, string][] = [
      ['application/json', JSON.stringify(suite.codeForm(code))],
      [
        'multipart/form-data; boundary=x',
        `--x\r\nContent-Disposition: form-data; name="code"\r\n\r\n${code}\r\n--x--`,
      ],
      ['text/plain', form],
      [undefined, form],
    ]
    for (const [type, body] of bodies) {
      const answer = await suite.http.send('POST', url, {
        body,
        headers: type === undefined ? {} : { 'content-type': type },
      })
      expect(answer.status, type).to.be.oneOf([400, 415])
    }
    success(
      await suite.redeem(
        code,
        {},
        { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' },
      ),
    )
  })

  row(
    'rfc6749-4.1.2-1',
    'M',
    'lets a code expire',
    async (suite) => {
      const code = await suite.code()
      suite.inside.passTime(61)
      expectError(await suite.redeem(code), 400, 'invalid_grant')
    },
    { inside: true },
  )

  row('rfc6749-4.1.2-2', 'M', 'redeems a code once', async (suite) => {
    const code = await suite.code()
    success(await suite.redeem(code))
    expectError(await suite.redeem(code), 400, 'invalid_grant')
  })

  row(
    'rfc6749-4.1.2-3',
    'S',
    'revokes what was issued from a code that is replayed',
    async (suite) => {
      const code = await suite.code()
      const tokens = success(await suite.redeem(code))
      expect((await suite.read(tokens.access_token)).status).to.equal(200)
      await suite.redeem(code)
      expectError(await suite.refresh(tokens.refresh_token), 400, 'invalid_grant')
      expect((await suite.read(tokens.access_token)).status).to.equal(401)
      expect(json(await suite.introspect(tokens.access_token))).to.deep.equal({ active: false })
    },
    { clients: ['fuse', 'server'] },
  )

  row('rfc6749-4.1.2-4', 'B', 'has one winner when 100 requests race for a code', async (suite) => {
    const code = await suite.code()
    const answers = await Promise.all(Array.from({ length: 100 }, () => suite.redeem(code)))
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1)
    expect(answers.every(({ status }) => status === 200 || status === 400)).to.equal(true)
  })

  row(
    'rfc6749-4.1.3-1',
    'M',
    'requires the redirect_uri of the authorization request',
    async (suite) => {
      for (const redirect_uri of [
        'http://127.0.0.1:49153/cb',
        'http://127.0.0.1:49152/cb/',
        'http://127.0.0.1:49152/CB',
        undefined,
      ]) {
        const answer = await suite.redeem(await suite.code(), { redirect_uri })
        expectRefused(answer)
        expect(json(answer).error).to.be.oneOf(['invalid_grant', 'invalid_request'])
      }
    },
  )

  row(
    'rfc6749-4.1.3-2',
    'M',
    'binds a code to its client, who can still redeem it',
    async (suite) => {
      const code = await suite.code()
      const { client_id } = suite.client('several')
      expectError(await suite.redeem(code, { client_id }), 400, 'invalid_grant')
      success(await suite.redeem(code))
    },
    { clients: ['fuse', 'several'] },
  )

  row(
    'rfc6749-4.1.3-4',
    'M',
    'tells apart a missing, an unknown and a forbidden grant_type',
    async (suite) => {
      const { client_id } = suite.client('fuse')
      expectError(await suite.token({ client_id }), 400, 'invalid_request')
      for (const grant_type of ['password', 'implicit', 'toString']) {
        expectError(await suite.token({ client_id, grant_type }), 400, 'unsupported_grant_type')
      }
      const form = { grant_type: 'authorization_code', code: 'x', code_verifier: 'x'.repeat(43) }
      expectError(await suite.token(form, suite.basic('service')), 400, 'unauthorized_client')
    },
    { clients: ['fuse', 'service'] },
  )

  row(
    'rfc6749-5.1-1',
    'M',
    'answers 200 with access_token, token_type and a numeric expires_in in JSON',
    async (suite) => {
      const answer = await suite.redeem(await suite.code())
      expect(answer.status).to.equal(200)
      expect(answer.headers['content-type']).to.match(/^application\/json/)
      const { access_token, token_type, expires_in } = json(answer)
      expect(access_token).to.be.a('string')
      expect(token_type).to.equal('Bearer')
      expect(expires_in).to.be.a('number').above(0)
    },
  )

  row(
    'rfc6749-5.1-2',
    'M',
    'forbids caching of successes and errors',
    async (suite) => {
      const { client_id } = suite.client('fuse')
      const device = await suite.endpoint('device_authorization')
      const redeemed = await suite.redeem(await suite.code({ scope: 'openid file.read' }))
      const { access_token } = success(redeemed)
      const answers = [
        redeemed,
        await suite.redeem('nonsense'),
        await suite.http.post(device, { client_id, scope: 'file.read' }),
        await suite.introspect(access_token),
        await suite.http.get(await suite.endpoint('userinfo'), {
          authorization: `Bearer ${access_token}`,
        }),
        await suite.http.post(
          await suite.endpoint('pushed_authorization_request'),
          suite.baseline(),
        ),
        await suite.http.post(await suite.endpoint('pushed_authorization_request'), {}),
        await suite.http.post(await suite.endpoint('device_authorization'), {}),
        await suite.introspect('nonsense'),
        await suite.http.post(await suite.endpoint('introspection'), {}),
        await suite.http.get(await suite.endpoint('userinfo')),
      ]
      for (const { headers, url } of answers) {
        expect(headers['cache-control'], url.pathname).to.include('no-store')
        expect(headers.pragma, url.pathname).to.equal('no-cache')
      }
    },
    { clients: ['fuse', 'server'] },
  )

  row('rfc6749-6-1', 'M', 'refuses a wider scope and keeps the refresh token', async (suite) => {
    const { refresh_token } = await suite.tokens({ scope: 'file.read' })
    expectError(
      await suite.refresh(refresh_token, { scope: 'file.read file.write' }),
      400,
      'invalid_scope',
    )
    success(await suite.refresh(refresh_token))
  })

  row(
    'rfc6749-6-2',
    'M',
    'keeps the full scope in a refresh token that was used for less',
    async (suite) => {
      const { refresh_token } = await suite.tokens({ scope: 'file.read file.write' })
      const narrow = success(await suite.refresh(refresh_token, { scope: 'file.read' }))
      expect(narrow.scope).to.equal('file.read')
      const full = success(await suite.refresh(narrow.refresh_token))
      expect(full.scope.split(' ').sort()).to.deep.equal(['file.read', 'file.write'])
    },
  )

  row(
    'rfc6749-6-3',
    'M',
    'binds a refresh token to its client',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const { client_id } = suite.client('several')
      expectError(await suite.refresh(refresh_token, { client_id }), 400, 'invalid_grant')
      success(await suite.refresh(refresh_token))
    },
    { clients: ['fuse', 'several'] },
  )

  row('rfc6749-B-1', 'M', 'decodes forms as UTF-8, "+" as a space', async (suite) => {
    const { client_id } = suite.client('fuse')
    const { refresh_token } = await suite.tokens({ scope: 'file.read file.write' })
    const spaced = `grant_type=refresh_token&client_id=${client_id}&refresh_token=${refresh_token}&scope=file.read+file.write`
    success(await suite.token(spaced))
    expectError(await suite.token(`${spaced.replace('+', '%2B')}`), 400, 'invalid_scope')
    expectError(await suite.token('grant_type=%ff%fe'), 400, 'invalid_request')
    expectError(await suite.token('grant_type=%zz'), 400, 'invalid_request')
  })
})
