import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Browser, Page } from 'playwright-core'
import { decide, launchBrowser, newPage, signIn } from '../support/browser.js'
import { type Machine, machine } from '../support/mount.js'
import { start } from '../support/process.js'
import { program } from '../support/program.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'

describe('login in a browser (RFC 8252)', () => {
  let server: TestServer
  let browser: Browser
  let home: Machine
  let page: Page
  /** What the policy of a page (CSP) kept from happening, such as the redirect to the client. */
  let complaints: string[]

  before(async function () {
    requires(this, 'chromium')
    this.timeout(120_000)
    server = await startServer()
    browser = await launchBrowser()
    home = await machine(server)
  })
  after(async () => {
    await browser?.close()
    await home?.remove()
    await server?.remove()
  })
  beforeEach(async () => {
    page = await newPage(browser)
    complaints = []
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) complaints.push(message.text())
    })
  })
  afterEach(async () => {
    await page?.context().close()
  })

  /** `coffer login` in the state in which it waits for the browser. */
  async function waitingLogin(scope = 'login') {
    const running = start(process.execPath, [...program('client'), scope], {
      cwd: home.home,
      env: {
        HOME: home.home,
        COFFER_SERVER: server.issuer,
        COFFER_CA: server.caFile,
        COFFER_CONFIG_DIR: join(home.home, 'config'),
        COFFER_STATE_DIR: join(home.home, 'state'),
        COFFER_TOKEN_STORE: 'file',
        DISPLAY: '',
        WAYLAND_DISPLAY: '',
      },
    })
    const [, url = ''] = await running.printed(/^\s*(https:\/\/\S+\/authorize\?\S+)\s*$/m)
    return { running, url }
  }

  it('login page, consent, redirect to the client, mount', async function () {
    requires(this, 'fuse')
    const mount = await home.mount({
      approval: async (url) => {
        await page.goto(url)
        await signIn(page, server)
        await page.waitForSelector('button[name="decision"]')
        expect(await page.textContent('body')).to.match(/Coffer/)
        await decide(page, 'allow')
        await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/callback/)
      },
    })
    expect(complaints).to.deep.equal([])
    await writeFile(join(mount.directory, 'hello'), 'from the browser')
    expect(await readFile(join(mount.directory, 'hello'), 'utf8')).to.equal('from the browser')
    await mount.unmount()
  }).timeout(120_000)

  it('needs no JavaScript', async () => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false })
    const plain = await context.newPage()
    const { running, url } = await waitingLogin()
    await plain.goto(url)
    await signIn(plain, server)
    await plain.waitForSelector('button[name="decision"]')
    await decide(plain, 'allow')
    await running.ended
    expect(running.child.exitCode, running.log()).to.equal(0)
    await context.close()
  }).timeout(60_000)

  it('tells who has a browser on another machine only, as over ssh, what to do', async () => {
    const { running } = await waitingLogin()
    expect(running.log()).to.contain('on this machine').and.contain('--device')
    await running.stop()
  }).timeout(60_000)

  it('says so at the command line when the user denies', async () => {
    const { running, url } = await waitingLogin()
    await page.goto(url)
    await signIn(page, server)
    await page.waitForSelector('button[name="decision"]')
    await decide(page, 'deny')
    await running.ended
    expect(running.child.exitCode).to.not.equal(0)
    expect(running.log()).to.match(/said no|denied/i)
    expect(complaints).to.deep.equal([])
  }).timeout(60_000)

  it('shows the login page again after a wrong password, and says what is wrong', async () => {
    const { running, url } = await waitingLogin()
    await page.goto(url)
    await signIn(page, { ...server, password: 'wrong' })
    await page.waitForSelector('[role="alert"]')
    expect(await page.inputValue('input[name="password"]')).to.equal('')
    await signIn(page, server)
    await page.waitForSelector('button[name="decision"]')
    await decide(page, 'allow')
    await running.ended
    expect(running.child.exitCode, running.log()).to.equal(0)
  }).timeout(60_000)

  it('survives the back button after consent: no second code, no crash', async () => {
    const { running, url } = await waitingLogin()
    await page.goto(url)
    await signIn(page, server)
    await page.waitForSelector('button[name="decision"]')
    await decide(page, 'allow')
    await running.ended
    expect(running.child.exitCode, running.log()).to.equal(0)
    await page.goBack()
    const button = page.locator('button[name="decision"][value="allow"]')
    if (await button.isVisible()) {
      // the form is of a request that is answered: posting it again shows a page that says so
      const answered = page.waitForResponse((response) => response.request().method() === 'POST')
      await button.click()
      const { status } = { status: (await answered).status() }
      expect(status).to.be.within(300, 499)
    }
    expect(page.url()).to.not.match(/code=.*code=/)
  }).timeout(60_000)

  it('the back button on the consent page leads to a login page that still works', async () => {
    const { running, url } = await waitingLogin()
    await page.goto(url)
    await signIn(page, server)
    await page.waitForSelector('button[name="decision"]')
    await page.goBack()
    await page.goForward()
    await page.waitForSelector('button[name="decision"]')
    await decide(page, 'allow')
    await running.ended
    expect(running.child.exitCode, running.log()).to.equal(0)
  }).timeout(60_000)

  it('fits the screen of a phone', async () => {
    const context = await browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: { width: 360, height: 640 },
    })
    const phone = await context.newPage()
    const { running, url } = await waitingLogin()
    for (const next of [() => phone.goto(url), () => signIn(phone, server)]) {
      await next()
      const [wide, screen] = (await phone.evaluate(
        '[document.documentElement.scrollWidth, window.innerWidth]',
      )) as [number, number]
      expect(wide).to.be.at.most(screen)
    }
    await running.stop()
    await context.close()
  }).timeout(60_000)
})
