import { expect } from 'chai'
import { expectError } from './support/expect.js'
import { row } from './support/row.js'
import { challenges, claims } from './support/values.js'

describe('RFC 6750: bearer tokens', () => {
  row('rfc6750-2-1', 'M', 'refuses a token that is sent by two methods', async (suite) => {
    const { access_token } = await suite.tokens({ scope: 'openid' })
    const authorization = `Bearer ${access_token}`
    const answer = await suite.http.post(
      await suite.endpoint('userinfo'),
      { access_token },
      { authorization },
    )
    expectError(answer, 400, 'invalid_request')
  })

  row('rfc6750-2.1-1', 'M', 'compares the scheme in any case', async (suite) => {
    const { access_token } = await suite.tokens()
    const answer = await suite.http.get(suite.target.resourceUrl, {
      authorization: `bEaReR ${access_token}`,
    })
    expect(answer.status).to.equal(200)
  })

  row('rfc6750-2.1-2', 'M', 'refuses what is no b64token', async (suite) => {
    const { access_token } = await suite.tokens()
    const url = suite.target.resourceUrl
    const fields = [
      'Bearer a b',
      'Bearer',
      'Bearer ',
      `Bearer ${access_token} x`,
      `Bearer "${access_token}"`,
      access_token,
      'Bearer é',
    ]
    for (const authorization of [...fields, [`Bearer ${access_token}`, `Bearer ${access_token}`]]) {
      expect(
        (await suite.http.get(url, { authorization })).status,
        String(authorization).slice(0, 20),
      ).to.be.oneOf([400, 401])
    }
  })

  row('rfc6750-2.3-1', 'M', 'ignores a token in the query', async (suite) => {
    const { access_token } = await suite.tokens()
    const answer = await suite.http.get(`${suite.target.resourceUrl}?access_token=${access_token}`)
    expect(answer.status).to.equal(401)
    expect(suite.target.inside?.server.log() ?? '').to.not.include(access_token)
  })

  row('rfc6750-3-1', 'M', 'challenges every request without a token', async (suite) => {
    for (const [method, headers] of [
      ['GET', {}],
      ['HEAD', {}],
      ['PUT', {}],
      ['DELETE', {}],
      ['MOVE', {}],
      ['GET', { range: 'bytes=0-1' }],
    ] as const) {
      const answer = await suite.http.send(method, `${suite.target.resourceUrl}x`, { headers })
      expect(answer.status, method).to.equal(401)
      const bearer = challenges(answer).find(({ scheme }) => scheme === 'Bearer')
      expect(bearer?.params.size, method).to.be.above(0)
    }
  })

  row('rfc6750-3-2', 'M', 'uses every attribute once, in its characters', async (suite) => {
    for (const answer of [
      await suite.http.get(suite.target.resourceUrl),
      await suite.read('nonsense'),
    ]) {
      for (const { params } of challenges(answer)) {
        for (const [name, values] of params) {
          expect(values, name).to.have.length(1)
          expect(values[0], name).to.match(/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/)
        }
      }
    }
  })

  row('rfc6750-3.1-1', 'S', 'names no error when no credentials were sent', async (suite) => {
    const answer = await suite.http.get(suite.target.resourceUrl)
    for (const { params } of challenges(answer)) expect(params.has('error')).to.equal(false)
  })

  row('rfc6750-3.1-1', 'S', 'names no error for a method it does not support', async (suite) => {
    for (const authorization of ['Basic YTpi', 'Negotiate abc', 'nonsense', '']) {
      const headers = { authorization }
      const answer = await suite.http.send('GET', suite.target.resourceUrl, { headers })
      expect(answer.status, authorization).to.equal(401)
      for (const { params } of challenges(answer)) {
        expect(params.has('error'), authorization).to.equal(false)
      }
    }
  })

  row(
    'rfc6750-3.1-2',
    'S',
    'answers invalid_token to every kind of bad token',
    async (suite) => {
      const { access_token, id_token } = await suite.tokens({ scope: 'openid file.read' })
      const [head = '', body = '', signature = ''] = access_token.split('.')
      const flipped = signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))
      const { inside } = suite
      const now = Math.floor(Date.now() / 1000)
      const sign = (changes: object) =>
        inside.keys.sign('ES256', 'at+jwt', { ...claims(access_token), ...changes })
      const revoked = (await suite.tokens()).access_token
      await suite.revoke(revoked)
      const bad = {
        expired: await sign({ exp: now - 1 }),
        'bad signature': `${head}.${body}.${flipped}`,
        'wrong iss': await sign({ iss: 'https://evil.test' }),
        'wrong aud': await sign({ aud: 'https://evil.test' }),
        revoked,
        garbage: 'garbage',
        'id token': id_token,
      }
      expect((await suite.read(await sign({}))).status).to.equal(200)
      for (const [what, token] of Object.entries(bad)) {
        const answer = await suite.read(token)
        expect(answer.status, what).to.equal(401)
        const bearer = challenges(answer).find(({ scheme }) => scheme === 'Bearer')
        expect(bearer?.params.get('error'), what).to.deep.equal(['invalid_token'])
      }
    },
    { inside: true },
  )

  row(
    'rfc6750-3.1-3',
    'S',
    'answers insufficient_scope with the scope that is needed',
    async (suite) => {
      const { access_token } = await suite.tokens({ scope: 'file.read' })
      const headers = { authorization: `Bearer ${access_token}` }
      const answer = await suite.http.send('PUT', `${suite.target.resourceUrl}x`, {
        headers,
        body: 'x',
      })
      expect(answer.status).to.equal(403)
      const bearer = challenges(answer).find(({ scheme }) => scheme === 'Bearer')
      expect(bearer?.params.get('error')).to.deep.equal(['insufficient_scope'])
      expect(bearer?.params.get('scope')).to.deep.equal(['file.write'])
    },
  )

  row('rfc6750-3.1-4', 'P', 'does not tell who is not logged in what exists', async (suite) => {
    const { access_token } = await suite.tokens({ scope: 'file.read file.write' })
    const headers = { authorization: `Bearer ${access_token}` }
    const url = `${suite.target.resourceUrl}oracle`
    await suite.http.send('PUT', url, { headers, body: 'x' })
    const [there, missing] = [await suite.http.get(url), await suite.http.get(`${url}-missing`)]
    const shape = ({ status, lines, body }: typeof there) => ({
      status,
      lines: lines.filter(([name]) => !/^(date|x-request-id|etag)$/.test(name)),
      body: body.replace(/"request_id":"[^"]*"/, ''),
    })
    expect(shape(there)).to.deep.equal(shape(missing))
    const times: Record<string, number[]> = { [url]: [], [`${url}-missing`]: [] }
    for (let n = 0; n < 100; n++) {
      for (const [at, taken] of Object.entries(times)) {
        const before = performance.now()
        await suite.http.get(at)
        taken.push(performance.now() - before)
      }
    }
    const [one = 0, other = 0] = Object.values(times).map(
      (taken) => taken.sort((a, b) => a - b)[50] ?? 0,
    )
    expect(Math.max(one, other) / Math.min(one, other), 'medians').to.be.below(3)
  })

  row('rfc6750-5.3-1', 'S', 'issues short-lived tokens', async (suite) => {
    const { exp, iat } = claims((await suite.tokens()).access_token)
    expect(Number(exp) - Number(iat)).to.be.within(1, 3600)
  })
})
