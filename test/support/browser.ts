import { type Browser, chromium as engine, type Page } from 'playwright-core'
import type { LoginTo } from './login.js'
import { chromium } from './requires.js'

/** Headless Chromium as it runs in a container: no sandbox, no calls home. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
]

export async function launchBrowser(): Promise<Browser> {
  const executablePath = chromium()
  if (executablePath === undefined) throw new Error('no Chromium: install chromium')
  return engine.launch({ executablePath, args: FLAGS, headless: true, timeout: 60_000 })
}

/** A page of a person of their own: no cookies of anybody else. The test server's certificate is taken as it is. */
export async function newPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  context.setDefaultTimeout(30_000)
  return context.newPage()
}

/** Fills in the login page that the browser shows. */
export async function signIn(page: Page, { username, password }: LoginTo): Promise<void> {
  await page.fill('input[name="username"]', username)
  await page.fill('input[name="password"]', password)
  await page.click('button[type="submit"]')
}

/** Presses a button of the consent page. */
export async function decide(page: Page, decision: 'allow' | 'deny'): Promise<void> {
  await page.click(`button[name="decision"][value="${decision}"]`)
}
