import { expect } from 'chai'
import { decodeProtectedHeader, importJWK, type JWK, jwtVerify } from 'jose'
import { expectError } from './support/expect.js'
import { formsOf, json } from './support/http.js'
import { row } from './support/row.js'
import { claims, success } from './support/values.js'

const openid = { scope: 'openid file.read' }

function isLogin(page: Parameters<typeof formsOf>[0]): boolean {
  return formsOf(page).some(({ hasPassword }) => hasPassword)
}

describe('OpenID Connect Core: tokens and claims', () => {
  row('oidcc-2-1', 'M', 'signs ID tokens with the required claims', async (suite) => {
    const { id_token } = await suite.tokens(openid)
    const { keys } = json(await suite.http.get(String((await suite.metadata()).jwks_uri))) as {
      keys: JWK[]
    }
    const { kid } = decodeProtectedHeader(id_token)
    const key = keys.find((jwk) => jwk.kid === kid)
    const { payload } = await jwtVerify(id_token, await importJWK(key as JWK), {
      issuer: suite.target.issuer,
      audience: suite.client('fuse').client_id,
    })
    expect(payload.sub).to.match(/^[\x20-\x7e]{1,255}$/)
    expect(payload.exp).to.be.a('number')
    expect(payload.iat).to.be.a('number')
  })

  row(
    'oidcc-2-2',
    'M',
    'passes the nonce through, has no null claims and no foreign key in the header',
    async (suite) => {
      const { id_token } = await suite.tokens({ ...openid, nonce: 'n-0S6_WzA2Mj é' })
      expect(claims(id_token).nonce).to.equal('n-0S6_WzA2Mj é')
      expect(Object.values(claims(id_token))).to.not.include(null)
      expect(decodeProtectedHeader(id_token)).to.not.have.any.keys('jku', 'jwk', 'x5u', 'x5c')
    },
  )

  row('oidcc-3.1.3.3-1', 'M', 'issues an ID token with the access token', async (suite) => {
    const answer = await suite.redeem(await suite.code(openid))
    expect(answer.headers['cache-control']).to.include('no-store')
    expect(json(answer)).to.include.keys('id_token', 'access_token', 'token_type')
  })

  row('oidcc-3.1.3.3-2', 'M', 'issues no ID token without the scope openid', async (suite) => {
    expect(json(await suite.redeem(await suite.code()))).to.not.have.property('id_token')
  })

  row('oidcc-5.3.1-1', 'M', 'answers UserInfo requests by GET and POST', async (suite) => {
    const { access_token } = await suite.tokens(openid)
    const url = await suite.endpoint('userinfo')
    const headers = { authorization: `Bearer ${access_token}` }
    for (const answer of [
      await suite.http.get(url, headers),
      await suite.http.send('POST', url, { headers }),
      await suite.http.post(url, { access_token }),
    ]) {
      expect(answer.status, answer.body).to.equal(200)
    }
    expect((await suite.http.get(url)).status).to.equal(401)
  })

  row('oidcc-5.3.2-1', 'M', 'names the same subject as the ID token', async (suite) => {
    const { access_token, id_token } = await suite.tokens(openid)
    const answer = await suite.http.get(await suite.endpoint('userinfo'), {
      authorization: `Bearer ${access_token}`,
    })
    expect(answer.headers['content-type']).to.match(/^application\/json/)
    expect(json(answer).sub).to.equal(claims(id_token).sub)
  })

  row('oidcc-5.4-1', 'M', 'gives claims by scope', async (suite) => {
    const url = await suite.endpoint('userinfo')
    const ask = async (scope: string) => {
      const { access_token } = await suite.tokens({ scope })
      return json(await suite.http.get(url, { authorization: `Bearer ${access_token}` }))
    }
    expect(Object.keys(await ask('openid'))).to.deep.equal(['sub'])
    expect(await ask('openid profile')).to.include.keys('sub', 'preferred_username')
    expect(await ask('openid email')).to.not.have.property('preferred_username')
    if (suite.target.inside === undefined) return
    const [, second] = suite.target.users
    const browser = await suite.login(second)
    const { access_token } = await suite.tokens({ scope: 'openid email' }, browser)
    const email = await suite.http.get(url, { authorization: `Bearer ${access_token}` })
    expect(json(email)).to.include({ email: second.email, email_verified: false })
    expect(json(email)).to.not.have.any.keys('name', 'preferred_username')
    const profile = await suite.tokens({ scope: 'openid profile' }, browser)
    const answer = await suite.http.get(url, { authorization: `Bearer ${profile.access_token}` })
    expect(json(answer)).to.include({ name: second.name, preferred_username: second.username })
    expect(json(answer)).to.not.have.property('email')
  })

  row(
    'oidcc-8-1',
    'M',
    'keeps the subject of a user, and gives it to nobody after them',
    async (suite) => {
      const [one, two] = [await suite.tokens(openid), await suite.tokens(openid)]
      expect(claims(one.id_token).sub).to.equal(claims(two.id_token).sub)
      expect(claims(one.id_token).sub).to.not.equal(suite.target.users[0].username)
      const metadata: Record<string, unknown> = await suite.metadata()
      expect(metadata.subject_types_supported).to.deep.equal(['public'])
      if (suite.target.inside === undefined) return
      const { inside } = suite
      const user = { username: 'namesake', password: 'a password of hers 3' }
      await inside.addUser(user)
      const browser = await suite.login(user)
      const hers = await suite.tokens(openid, browser)
      const url = await suite.endpoint('userinfo')
      const ask = (token: string) => suite.http.get(url, { authorization: `Bearer ${token}` })
      expect((await ask(hers.access_token)).status).to.equal(200)
      inside.removeUser(user.username)
      const dead = async () => {
        expect((await ask(hers.access_token)).status).to.equal(401)
        expect((await suite.read(hers.access_token)).status).to.equal(401)
        expectError(await suite.refresh(hers.refresh_token), 400, 'invalid_grant')
        expect(isLogin(await suite.asked({}, browser))).to.equal(true)
      }
      await dead()
      await inside.addUser(user)
      await dead()
      const namesake = await suite.tokens(openid, await suite.login(user))
      expect(claims(namesake.id_token).sub).to.not.equal(claims(hers.id_token).sub)
      expect(claims(namesake.access_token).sub).to.equal(claims(namesake.id_token).sub)
      await dead()
      inside.removeUser(user.username)
    },
  )

  row(
    'oidcc-12.2-1',
    'M',
    'refreshes ID tokens with the same claims, without the nonce',
    async (suite) => {
      const first = await suite.tokens({ ...openid, nonce: 'n' })
      const second = success(await suite.refresh(first.refresh_token))
      const [before, after] = [claims(first.id_token), claims(second.id_token)]
      for (const name of ['iss', 'sub', 'aud', 'auth_time'])
        expect(after[name], name).to.deep.equal(before[name])
      expect(Number(after.iat)).to.be.at.least(Number(before.iat))
      expect(after).to.not.have.property('nonce')
    },
  )

  row(
    'oidcc-15.1-1',
    'M',
    'signs ID tokens with RS256 for clients that want it',
    async (suite) => {
      const { client_id } = suite.client('rs256')
      const { id_token } = await suite.tokens({ ...openid, client_id })
      expect(decodeProtectedHeader(id_token).alg).to.equal('RS256')
    },
    { clients: ['rs256'] },
  )

  row(
    'oidcc-15.1-2',
    'M',
    'is not disturbed by display, ui_locales, claims_locales and acr_values',
    async (suite) => {
      const more = {
        display: 'popup',
        ui_locales: 'de fr-CA',
        claims_locales: 'de',
        acr_values: '1 2',
      }
      expect((await suite.allowed({ ...openid, ...more })).searchParams.get('code')).to.be.a(
        'string',
      )
    },
  )

  row(
    'oidcc-16-1',
    'B',
    'takes an ID token for nothing else',
    async (suite) => {
      const { id_token } = await suite.tokens(openid)
      expect((await suite.read(id_token)).status).to.equal(401)
      const url = await suite.endpoint('userinfo')
      expect((await suite.http.get(url, { authorization: `Bearer ${id_token}` })).status).to.equal(
        401,
      )
      const { client_id } = suite.client('web')
      const query = new URLSearchParams({ id_token_hint: id_token, client_id })
      const browser = await suite.login()
      expect(
        (await browser.get(`${await suite.endpoint('end_session')}?${query}`)).status,
      ).to.equal(400)
      expect(isLogin(await suite.asked({}, browser))).to.equal(false)
    },
    { clients: ['fuse', 'web'] },
  )
})
