import { expect } from 'chai'
import { decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose'
import { expectRedirect } from './support/expect.js'
import { formsOf, locationOf } from './support/http.js'
import { connectionsDuring } from './support/listener.js'
import { row } from './support/row.js'
import type { Changes, Suite } from './support/suite.js'
import { claims, success } from './support/values.js'

const openid = { scope: 'openid file.read' }

async function webConsented(suite: Suite): Promise<Changes> {
  const changes = await suite.web(openid)
  await suite.code(changes)
  return changes
}

function isLogin(page: Parameters<typeof formsOf>[0]): boolean {
  return formsOf(page).some(({ hasPassword }) => hasPassword)
}

describe('OpenID Connect Core: authentication', () => {
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
      // Whoever logs in is the user that the hint names, or is sent back without a code.
      const [user, second] = suite.target.users
      const browser = await suite.login(user)
      const theirs = (await suite.tokens(openid, await suite.login(second))).id_token
      const asked = { ...openid, id_token_hint: theirs }
      const again = await suite.asked(asked, browser)
      expect(isLogin(again)).to.equal(true)
      const wrong = await suite.submitLogin(browser, again, user)
      expectRedirect(await browser.follow(wrong), 'login_required')
      const right = await suite.submitLogin(browser, await suite.asked(asked, browser), second)
      const allowed = await suite.decide(browser, await browser.follow(right))
      expect(allowed.searchParams.get('code')).to.be.a('string')
      const old = await suite.inside.keys.sign('ES256', 'JWT', { ...claims(id_token), exp: 1 })
      expect(
        (await suite.allowed({ ...openid, id_token_hint: old })).searchParams.get('code'),
      ).to.be.a('string')
    },
    { inside: true },
  )

  row('oidcc-3.1.2.6-1', 'M', 'refuses request objects without fetching them', async (suite) => {
    expectRedirect(await suite.asked({ request: 'e30.e30.' }), 'request_not_supported')
    const fetched = await connectionsDuring(async (origin) => {
      for (const request_uri of [`${origin}/x`, `${origin.replace('https', 'http')}/x`]) {
        expectRedirect(await suite.asked({ request_uri }), 'request_uri_not_supported')
      }
    })
    expect(fetched).to.equal(0)
    expectRedirect(await suite.asked({ registration: '{}' }), 'registration_not_supported')
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
})
