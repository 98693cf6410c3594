import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { registerClient } from '../../oauth/index.js'
import { readKeyPair, tlsFiles } from '../../server/tls/files.js'
import { authorizePath, beside, PASSWORD, type Running, startSite } from '../server/running.js'
import { decide, launchBrowser, signIn } from '../support/browser.js'
import { requires } from '../support/requires.js'

const ADMIN = { issuer: '', ca: '', username: 'admin', password: PASSWORD }

describe('the pages, in Chromium without JavaScript', () => {
  let site: Running
  let browser: Browser
  let context: BrowserContext
  let page: Page
  /** What the browser complained about: whatever a policy blocks shows up here. */
  let complaints: string[]

  before(async function () {
    requires(this, 'chromium')
    site = await startSite({
      environment: { COFFER_HOST: 'localhost', COFFER_LOGIN_FAILURES: '1000' },
    })
    browser = await launchBrowser()
  })
  after(async () => {
    await browser?.close()
    await site?.remove()
  })
  beforeEach(async () => {
    context = await browser.newContext({
      ignoreHTTPSErrors: true,
      javaScriptEnabled: false,
      viewport: { width: 360, height: 640 },
    })
    context.setDefaultTimeout(20_000)
    complaints = []
    context.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    page = await context.newPage()
  })
  afterEach(() => context?.close())

  const at = (path: string) => new URL(path, site.issuer).href

  /** An application that waits for its answer; tells with which query the browser came. */
  async function application(server: Server, host: string) {
    const arrived = new Promise<URLSearchParams>((resolve) => {
      server.on('request', (request, response) => {
        const url = new URL(request.url ?? '', 'http://app')
        if (url.pathname === '/callback') resolve(url.searchParams)
        response.end('back in the application')
      })
    })
    server.listen(0, host)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return { port, arrived, close: () => server.close() }
  }

  for (const host of ['127.0.0.1', '::1']) {
    it(`lead back to an application on ${host}, whatever its port`, async () => {
      const app = await application(createServer(), host)
      const authority = host === '::1' ? `[::1]:${app.port}` : `${host}:${app.port}`
      await page.goto(at(authorizePath({ redirect_uri: `http://${authority}/callback` })))
      await signIn(page, ADMIN)
      await decide(page, 'allow')
      expect([...(await app.arrived).keys()].sort()).to.deep.equal(['code', 'iss', 'state'])
      expect(complaints).to.deep.equal([])
      app.close()
    }).timeout(60_000)
  }

  it('lead back at once from the login form when the application was allowed before', async () => {
    const tls = readKeyPair(tlsFiles(site.data).server)
    const secure = () => createTlsServer({ cert: tls.certificate, key: tls.key })
    const app = await application(secure() as unknown as Server, 'localhost')
    const redirect_uri = `https://localhost:${app.port}/callback`
    let client_id = ''
    await beside(site, async ({ store, accounts }) => {
      const registry = { store, accounts, scopes: ['file.read'], clock: () => new Date() }
      const metadata = { client_name: 'Web', redirect_uris: [redirect_uri], scope: 'file.read' }
      client_id = (await registerClient(registry, metadata)).client.client_id
    })
    const request = { client_id, redirect_uri, scope: 'file.read' }
    await page.goto(at(authorizePath(request)))
    await signIn(page, ADMIN)
    await decide(page, 'allow')
    await page.waitForURL(`${redirect_uri}**`)
    await context.clearCookies()
    await page.goto(at(authorizePath(request)))
    await signIn(page, ADMIN)
    await page.waitForURL(`${redirect_uri}**`)
    expect(new URL(page.url()).searchParams.has('code')).to.equal(true)
    expect(complaints).to.deep.equal([])
    app.close()
  }).timeout(60_000)

  it('tell the application when somebody denies', async () => {
    const app = await application(createServer(), '127.0.0.1')
    const redirect_uri = `http://127.0.0.1:${app.port}/callback`
    await page.goto(at(authorizePath({ redirect_uri })))
    await signIn(page, ADMIN)
    await decide(page, 'deny')
    expect((await app.arrived).get('error')).to.equal('access_denied')
    expect(complaints).to.deep.equal([])
    app.close()
  }).timeout(60_000)

  it('work in two tabs at once, each with its own request', async () => {
    const apps = [
      await application(createServer(), '127.0.0.1'),
      await application(createServer(), '127.0.0.1'),
    ]
    const tabs = [page, await context.newPage()]
    for (const [index, tab] of tabs.entries()) {
      const redirect_uri = `http://127.0.0.1:${apps[index]?.port}/callback`
      await tab.goto(at(authorizePath({ redirect_uri, state: `state of tab ${index}` })))
    }
    for (const tab of tabs) {
      await tab.bringToFront()
      // Signed in by the first tab, the second one is sent on from its old form.
      await signIn(tab, ADMIN)
      await decide(tab, 'allow')
    }
    for (const [index, app] of apps.entries()) {
      expect((await app.arrived).get('state')).to.equal(`state of tab ${index}`)
      app.close()
    }
  }).timeout(60_000)

  it('say what to do about a form of a session that has ended, and do nothing', async () => {
    const app = await application(createServer(), '127.0.0.1')
    await page.goto(at(authorizePath({ redirect_uri: `http://127.0.0.1:${app.port}/callback` })))
    await signIn(page, ADMIN)
    await page.waitForSelector('button[name="decision"]')
    await context.clearCookies()
    await decide(page, 'allow')
    expect(await page.textContent('main')).to.match(/start again|open for too long/i)
    expect(new URL(page.url()).origin).to.equal(site.issuer)
    app.close()
  }).timeout(60_000)

  it('connect a device by its code, however that is typed (RFC 8628)', async () => {
    const device = await site.browser().post('/device_authorization').type('form').send({
      client_id: 'coffer',
      scope: 'file.read offline_access',
      device_name: 'the <b>attic</b>\u202e server',
    })
    const { user_code, device_code, verification_uri } = device.body
    await page.goto(verification_uri)
    await signIn(page, ADMIN)
    await page.fill('#user_code', 'BBBB-BBBB')
    await page.click('button[type="submit"]')
    expect(await page.textContent('#problem[role="alert"]')).to.contain('not known')
    expect(await page.getAttribute('input[autofocus]', 'aria-describedby')).to.equal('problem')
    await page.fill('#user_code', user_code.toLowerCase().replace('-', ' '))
    await page.click('button[type="submit"]')
    expect(await page.textContent('main'))
      .to.contain(user_code)
      .and.contain('Coffer mount')
      .and.contain('stay signed in Until you remove it') // as w3m and lynx show it
      .and.contain('It says that it runs on the <b>attic</b> server')
    await decide(page, 'allow')
    expect(await page.textContent('h1')).to.equal('Done')
    const tokens = await site.browser().post('/token').type('form').send({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id: 'coffer',
      device_code,
    })
    expect(tokens.status).to.equal(200)
    await page.goto(at('/account'))
    expect(await page.textContent('main'))
      .to.contain('Coffer mount on the <b>attic</b> server')
      .and.match(/Last used\s+just now\s+from 127\.0\.0\.1/)
  }).timeout(60_000)

  it('say themselves where their forms come from, for browsers have no other word for it (Safari before 16.4)', async () => {
    await page.goto(at('/login'))
    const posted = page.waitForRequest((request) => request.method() === 'POST')
    await signIn(page, ADMIN)
    expect(await (await posted).allHeaders()).to.include({ origin: site.issuer })
  }).timeout(60_000)

  it('take a device away', async () => {
    const { access_token } = await site.tokens()
    const status = async () =>
      (await site.browser().get('/files/').auth(access_token, { type: 'bearer' })).status
    expect(await status()).to.equal(200)
    await page.goto(at('/account'))
    await signIn(page, ADMIN)
    await page.click('button.danger')
    expect(await page.textContent('[role="status"]')).to.contain('removed')
    expect(await status()).to.equal(401)
    expect(complaints).to.deep.equal([])
  }).timeout(60_000)

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`fit a phone, load nothing that is blocked, and can be read (${colorScheme})`, async () => {
      await site.tokens()
      await page.emulateMedia({ colorScheme })
      await page.goto(at('/login?return_to=/account'))
      await fitsAndReads(page)
      await signIn(page, ADMIN)
      for (const path of ['/account', '/device', '/logout', authorizePath()]) {
        await page.goto(at(path))
        await fitsAndReads(page)
      }
      expect(complaints).to.deep.equal([])
      await page.goto(at('/nothing'))
      await fitsAndReads(page)
    }).timeout(60_000)
  }
})

/** Runs in the page: what is too wide, and what is too faint. It is text because it knows the DOM and we do not. */
const MEASURE = `(() => {
  const channels = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((value) => {
      const part = value / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    if (element === null) return 'rgb(255, 255, 255)'
    const { backgroundColor } = getComputedStyle(element)
    return channels(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor
  }
  const faint = []
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    if (!text || !element.offsetParent) continue
    const [one, other] = [luminance(getComputedStyle(element).color), luminance(behind(element))]
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
    if (contrast < 4.5) faint.push(element.textContent.trim() + ': ' + contrast.toFixed(2))
  }
  return { wide: document.documentElement.scrollWidth > innerWidth, faint }
})()`

/** No sideways scrolling, and text against its background as WCAG 2 asks (section 1.4.3: 4.5 to 1). */
async function fitsAndReads(page: Page): Promise<void> {
  const measured: { wide: boolean; faint: string[] } = await page.evaluate(MEASURE)
  expect(measured.wide, `${page.url()} scrolls sideways`).to.equal(false)
  expect(measured.faint, page.url()).to.deep.equal([])
}
