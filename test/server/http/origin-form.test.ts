import { once } from 'node:events'
import https from 'node:https'
import { expect } from 'chai'
import { originForm } from '../../../server/http/origin-form.js'
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import { startSite } from '../running.js'

describe('the absolute form of a target (RFC 9112 section 3.2.2)', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  const cases: [target: string, origin: string][] = [
    ['/a?b', '/a?b'],
    ['//a', '//a'],
    ['*', '*'],
    ['https://h:8443/a?b', '/a?b'],
    ['HTTP://h/', '/'],
    ['https://h', '/'],
    ['https://h?b', '/?b'],
    ['a', 'a'],
  ]
  for (const [target, origin] of cases) {
    it(`${target} is ${origin}`, () => {
      expect(originForm(target)).to.equal(origin)
    })
  }

  it('is taken by every part of the site', async () => {
    const site = await startSite()
    try {
      const { hostname, port } = new URL(site.issuer)
      for (const [method, path, status] of [
        ['GET', '/.well-known/openid-configuration', 200],
        ['POST', '/token', 400],
        ['GET', '/login', 200],
        ['GET', '/authorize?client_id=x', 400],
        ['GET', '/files/', 401],
      ] as const) {
        const target = site.issuer + path
        const request = https.request({ hostname, port, method, path: target, ca: site.ca })
        const [response] = await once(request.end(), 'response')
        response.resume()
        expect(response.statusCode, `${method} ${path}`).to.equal(status)
      }
    } finally {
      await site.remove()
    }
  })
})
