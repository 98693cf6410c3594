import { expect } from 'chai'
import {
  decodeProtectedHeader,
  generateKeyPair,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'
import { expectRedirect } from './support/expect.js'
import { formsOf, json, locationOf } from './support/http.js'
import { row } from './support/row.js'
import { type Changes, claims, type Suite, success } from './support/suite.js'

const openid = { scope: 'openid file.read' }

async function webConsented(suite: Suite): Promise<Changes> {
  const changes = await suite.web(openid)
  await suite.code(changes)
  return changes
}

function isLogin(page: Parameters<typeof formsOf>[0]): boolean {
  return formsOf(page).some(({ hasPassword }) => hasPassword)
}

describe('OpenID Connect Core', () => {
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

  row(
    'oidcc-3.1.2.1-2',
    'M',
    'shows no page for prompt=none, and says why it would',
    async (suite) => {
      expectRedirect(
        await suite.authorize(suite.newBrowser(), { prompt: 'none' }),
        'login_required',
      )
      expectRedirect(await suite.asked({ prompt: 'none' }), 'consent_required')
      const changes = await webConsented(suite)
      const silent = await suite.asked({ ...changes, prompt: 'none' })
      expect(locationOf(silent)?.searchParams.get('code')).to.be.a('string')
    },
    { clients: ['fuse', 'web'] },
  )

  row('oidcc-3.1.2.1-3', 'M', 'refuses prompt=none with another value', async (suite) => {
    expectRedirect(await suite.asked({ prompt: 'none login' }), 'invalid_request')
  })

  row('oidcc-3.1.2.3-1', 'M', 'asks for the password again for prompt=login', async (suite) => {
    const browser = await suite.login()
    const before = claims((await suite.tokens(openid, browser)).id_token).auth_time
    await new Promise((resolve) => setTimeout(resolve, 1100 - (Date.now() % 1000)))
    const page = await suite.asked({ ...openid, prompt: 'login' }, browser)
    expect(isLogin(page)).to.equal(true)
    const consent = await browser.follow(await suite.submitLogin(browser, page))
    const code = (await suite.decide(browser, consent)).searchParams.get('code') ?? ''
    const { id_token } = success(await suite.redeem(code))
    expect(Number(claims(id_token).auth_time)).to.be.above(Number(before))
  })

  row(
    'oidcc-3.1.2.1-4',
    'M',
    'honours max_age, and says when the user logged in',
    async (suite) => {
      const browser = await suite.login()
      const fresh = await suite.tokens({ ...openid, max_age: '1000' }, browser)
      expect(claims(fresh.id_token).auth_time).to.be.a('number')
      expect(isLogin(await suite.asked({ ...openid, max_age: '0' }, browser))).to.equal(true)
      await new Promise((resolve) => setTimeout(resolve, 1100))
      const page = await suite.asked({ ...openid, max_age: '1' }, browser)
      expect(isLogin(page)).to.equal(true)
      const consent = await browser.follow(await suite.submitLogin(browser, page))
      expect((await suite.decide(browser, consent)).searchParams.get('code')).to.be.a('string')
    },
  )

  row(
    'oidcc-3.1.2.1-5',
    'S',
    'asks again for prompt=consent',
    async (suite) => {
      const changes = await webConsented(suite)
      expect(locationOf(await suite.asked(changes))).to.not.equal(undefined)
      const page = await suite.asked({ ...changes, prompt: 'consent' })
      expect(locationOf(page)).to.equal(undefined)
      suite.consentForm(page)
    },
    { clients: ['web'] },
  )

  row(
    'oidcc-3.1.2.2-1',
    'M',
    'takes its own ID tokens as hint, for the same user',
    async (suite) => {
      const { id_token } = await suite.tokens(openid)
      const to = await suite.allowed({ ...openid, id_token_hint: id_token })
      expect(to.searchParams.get('code')).to.be.a('string')
      const { privateKey } = await generateKeyPair('ES256')
      const header = { ...decodeProtectedHeader(id_token), alg: 'ES256' }
      const forged = await new SignJWT(claims(id_token)).setProtectedHeader(header).sign(privateKey)
      expectRedirect(await suite.asked({ ...openid, id_token_hint: forged }), 'invalid_request')
      const other = await suite.inside.keys.sign('ES256', 'JWT', {
        ...claims(id_token),
        sub: 'somebody-else',
      })
      expectRedirect(
        await suite.asked({ ...openid, id_token_hint: other, prompt: 'none' }),
        'login_required',
      )
      const old = await suite.inside.keys.sign('ES256', 'JWT', { ...claims(id_token), exp: 1 })
      expect(
        (await suite.allowed({ ...openid, id_token_hint: old })).searchParams.get('code'),
      ).to.be.a('string')
    },
    { inside: true },
  )

  row('oidcc-3.1.2.6-1', 'M', 'refuses request objects without fetching them', async (suite) => {
    expectRedirect(await suite.asked({ request: 'e30.e30.' }), 'request_not_supported')
    expectRedirect(
      await suite.asked({ request_uri: 'https://169.254.169.254/x' }),
      'request_uri_not_supported',
    )
    expectRedirect(await suite.asked({ registration: '{}' }), 'registration_not_supported')
  })

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
  })

  row('oidcc-8-1', 'M', 'keeps the subject of a user', async (suite) => {
    const [one, two] = [await suite.tokens(openid), await suite.tokens(openid)]
    expect(claims(one.id_token).sub).to.equal(claims(two.id_token).sub)
    expect(claims(one.id_token).sub).to.not.equal(suite.target.users[0].username)
    const metadata: Record<string, unknown> = await suite.metadata()
    expect(metadata.subject_types_supported).to.deep.equal(['public'])
  })

  row(
    'oidcc-11-1',
    'M',
    'grants offline_access only with consent',
    async (suite) => {
      const changes = await webConsented(suite)
      const page = await suite.asked({ ...changes, scope: 'openid file.read offline_access' })
      expect(locationOf(page)).to.equal(undefined)
      expect(page.body).to.include('offline_access')
    },
    { clients: ['web'] },
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

describe('OpenID Connect RP-Initiated Logout', () => {
  const out = 'https://rp.test/out'
  const logout = async (suite: Suite, query: Record<string, string>) =>
    `${await suite.endpoint('end_session')}?${new URLSearchParams(query)}`
  const signedOut = async (suite: Suite, browser: Awaited<ReturnType<Suite['login']>>) =>
    isLogin(await suite.asked({}, browser))

  row(
    'rplogout-2-1',
    'M',
    'is advertised, and takes GET and POST',
    async (suite) => {
      const url = await suite.endpoint('end_session')
      const { id_token } = await suite.webTokens(openid)
      for (const method of ['GET', 'POST']) {
        const browser = await suite.login()
        const form = { id_token_hint: id_token, post_logout_redirect_uri: out }
        const answer =
          method === 'GET'
            ? await browser.get(await logout(suite, form))
            : await browser.post(url, form)
        expect(locationOf(await browser.follow(answer))?.href).to.equal(out)
        expect(await signedOut(suite, browser)).to.equal(true)
      }
    },
    { clients: ['fuse', 'web'] },
  )

  row(
    'rplogout-2-2',
    'M',
    'checks the hint, and takes an expired one',
    async (suite) => {
      const { id_token } = await suite.webTokens(openid)
      const { privateKey } = await generateKeyPair('ES256')
      const header = { ...decodeProtectedHeader(id_token), alg: 'ES256' }
      const forged = await new SignJWT(claims(id_token)).setProtectedHeader(header).sign(privateKey)
      const browser = await suite.login()
      await browser.get(await logout(suite, { id_token_hint: forged }))
      expect(await signedOut(suite, browser)).to.equal(false)
      const expired = await suite.inside.keys.sign('ES256', 'JWT', { ...claims(id_token), exp: 1 })
      await browser.follow(await browser.get(await logout(suite, { id_token_hint: expired })))
      expect(await signedOut(suite, browser)).to.equal(true)
    },
    { inside: true, clients: ['fuse', 'web'] },
  )

  row(
    'rplogout-2-3',
    'M',
    'refuses a client_id that is not that of the hint',
    async (suite) => {
      const { id_token } = await suite.webTokens(openid)
      const browser = await suite.login()
      const { client_id } = suite.client('fuse')
      const answer = await browser.get(
        await logout(suite, { id_token_hint: id_token, client_id, post_logout_redirect_uri: out }),
      )
      expect(answer.status).to.equal(400)
      expect(answer.headers.location).to.equal(undefined)
      expect(await signedOut(suite, browser)).to.equal(false)
    },
    { clients: ['fuse', 'web'] },
  )

  row(
    'rplogout-2-4',
    'M',
    'asks the user where nothing proves who wants it; a copied cookie is dead then',
    async (suite) => {
      const browser = await suite.login()
      const copy = suite.newBrowser()
      for (const [name, value] of browser.cookies) copy.cookies.set(name, value)
      const page = await browser.get(await logout(suite, {}))
      expect(await signedOut(suite, browser)).to.equal(false)
      const form = formsOf(page).find(({ action }) => action.pathname.includes('logout'))
      if (form === undefined) throw new Error('no logout form')
      form.fields.set('decision', 'allow')
      await browser.submit(form)
      expect(await signedOut(suite, browser)).to.equal(true)
      expect(await signedOut(suite, copy)).to.equal(true)
    },
  )

  row(
    'rplogout-3-1',
    'M',
    'redirects nobody without a hint',
    async (suite) => {
      const browser = await suite.login()
      const { client_id } = suite.client('web')
      for (const query of [
        { post_logout_redirect_uri: out },
        { post_logout_redirect_uri: out, client_id },
      ]) {
        const page = await browser.get(await logout(suite, query))
        expect(page.headers.location).to.equal(undefined)
        const form = formsOf(page).find(({ action }) => action.pathname.includes('logout'))
        if (form === undefined) throw new Error('no logout form')
      }
    },
    { clients: ['web'] },
  )

  row(
    'rplogout-3-2',
    'M',
    'redirects to registered addresses only',
    async (suite) => {
      const { id_token } = await suite.webTokens(openid)
      const browser = await suite.login()
      for (const post_logout_redirect_uri of [`${out}?x=1`, 'https://evil.test/', `${out}/`]) {
        const page = await browser.get(
          await logout(suite, { id_token_hint: id_token, post_logout_redirect_uri }),
        )
        expect(page.status).to.equal(400)
        expect(page.headers.location).to.equal(undefined)
      }
      const { client_id } = suite.client('several')
      const native = await suite.tokens({ ...openid, client_id })
      const loopback = 'http://127.0.0.1:53123/out'
      const end = await browser.get(
        await logout(suite, { id_token_hint: native.id_token, post_logout_redirect_uri: loopback }),
      )
      expect(locationOf(end)?.href).to.equal(loopback)
    },
    { clients: ['web', 'several'] },
  )

  row(
    'rplogout-2-5',
    'M',
    'returns the state',
    async (suite) => {
      const { id_token } = await suite.webTokens(openid)
      const state = 'a b&c=%"'
      const browser = await suite.login()
      const end = await browser.get(
        await logout(suite, { id_token_hint: id_token, post_logout_redirect_uri: out, state }),
      )
      expect(locationOf(end)?.searchParams.get('state')).to.equal(state)
    },
    { clients: ['web'] },
  )

  row(
    'rplogout-4-1',
    'M',
    'may be asked twice, and never redirects with an error',
    async (suite) => {
      const { id_token } = await suite.webTokens(openid)
      const browser = await suite.login()
      const url = await logout(suite, { id_token_hint: id_token, post_logout_redirect_uri: out })
      for (let n = 0; n < 2; n++) expect(locationOf(await browser.get(url))?.href).to.equal(out)
      const bad = await browser.get(
        await logout(suite, { id_token_hint: 'bad', post_logout_redirect_uri: out }),
      )
      expect(bad.status).to.equal(400)
      expect(bad.headers.location).to.equal(undefined)
    },
    { clients: ['web'] },
  )

  row(
    'rplogout-b-1',
    'P',
    'ends grants without offline_access with the session; mounts live on',
    async (suite) => {
      const browser = await suite.login()
      const online = await suite.webTokens({}, 'web', browser)
      const offline = await suite.tokens({ scope: 'openid offline_access file.read' }, browser)
      await browser.follow(
        await browser.get(await logout(suite, { id_token_hint: offline.id_token })),
      )
      expect((await suite.read(online.access_token)).status).to.equal(401)
      expect((await suite.read(offline.access_token)).status).to.equal(200)
      success(await suite.refresh(offline.refresh_token))
    },
    { clients: ['fuse', 'web'] },
  )
})
