import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { type Running, startSite } from '../server/running.js'
import { launchBrowser, newPage } from '../support/browser.js'
import { requires } from '../support/requires.js'

describe('an application in Chromium, of an origin of its own', () => {
  let site: Running
  let browser: Browser
  let application: Server

  before(async function () {
    requires(this, 'chromium')
    site = await startSite({ environment: { COFFER_HOST: 'localhost' } })
    browser = await launchBrowser()
    application = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html').end('<title>An application</title>')
    }).listen(0, '127.0.0.1')
    await once(application, 'listening')
  })
  after(async () => {
    application?.close()
    await browser?.close()
    await site?.remove()
  })

  it('uses the files with its token', async () => {
    const { access_token } = await site.tokens()
    const page = await newPage(browser)
    await page.goto(`http://127.0.0.1:${(application.address() as AddressInfo).port}/`)
    const asked: [method: string, path: string, fields: Record<string, string>][] = [
      ['PUT', '/files/a', { 'Coffer-Mode': '0600' }],
      ['GET', '/files/a', { Range: 'bytes=1-3' }],
      ['MOVE', '/files/a', { Destination: '/files/b' }],
    ]
    const seen = await page.evaluate(
      async ({ issuer, token, asked }) => {
        const challenge = (await fetch(`${issuer}/files/a`)).headers.get('WWW-Authenticate')
        const answers = []
        for (const [method, path, fields] of asked) {
          const headers = { Authorization: `Bearer ${token}`, ...fields }
          const body = method === 'PUT' ? { body: 'hello' } : {}
          const answer = await fetch(issuer + path, { method, headers, ...body })
          const { status } = answer
          answers.push([status, answer.headers.get('Content-Range'), await answer.text()] as const)
        }
        return { challenge, answers }
      },
      { issuer: site.issuer, token: access_token, asked },
    )
    expect(seen.challenge).to.include('resource_metadata=')
    const [made, part, moved] = seen.answers
    expect(made?.[0]).to.equal(201)
    expect(part).to.deep.equal([206, 'bytes 1-3/5', 'ell'])
    expect(moved?.[0]).to.equal(201)
    await page.context().close()
  }).timeout(60_000)
})
