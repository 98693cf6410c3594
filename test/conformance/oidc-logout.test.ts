import { expect } from 'chai'
import { decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose'
import { formsOf, locationOf } from './support/http.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { claims, success } from './support/values.js'

const openid = { scope: 'openid file.read' }

function isLogin(page: Parameters<typeof formsOf>[0]): boolean {
  return formsOf(page).some(({ hasPassword }) => hasPassword)
}

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
      const page = await browser.get(
        await logout(suite, { id_token_hint: forged, post_logout_redirect_uri: out }),
      )
      expect(page.headers.location).to.equal(undefined)
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
