import { expect } from 'chai'
import supertest from 'supertest'
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import { type Running, startSite } from '../running.js'

describe('an error outside the file API', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let site: Running
  before(async () => {
    site = await startSite()
  })
  after(() => site.remove())

  type Ask = [method: 'get' | 'put' | 'post', path: string, status: number]
  const asks: Ask[] = [
    ['get', '/nothing-here', 404],
    ['put', '/authorize', 405],
    ['put', '/login', 405],
    ['post', '/account', 405],
    ['get', '/account/revoke', 405],
    ['get', '/authorize?client_id=%zz', 400],
    ['get', '/authorize?client_id=unknown', 400],
    ['get', '/logout?client_id=a&client_id=b', 400],
    ['post', '/login', 413],
    ['post', '/account/revoke-all', 403],
    ['post', '/device', 403],
  ]
  const send = ([method, path, status]: Ask, accept: string | undefined) => {
    const asked = supertest.agent(site.issuer, { ca: site.ca })[method](path)
    if (accept !== undefined) asked.set('Accept', accept)
    const body = status === 413 ? { password: 'x'.repeat(40_000) } : undefined
    return asked.type('form').send(body)
  }

  for (const ask of asks) {
    it(`is JSON for programs, a page for people: ${ask.join(' ')}`, async () => {
      for (const accept of [undefined, '*/*', 'application/json', 'application/json, text/plain']) {
        const { status, headers, body } = await send(ask, accept)
        expect(status, accept).to.equal(ask[2])
        expect(headers['content-type'], accept).to.match(/^application\/(?:problem\+)?json/)
        expect(headers['cache-control'], accept).to.equal('no-store')
        if (status === 405) expect(headers.allow, accept).to.match(/^(GET|POST)/)
        if (headers['content-type']?.includes('problem')) expect(body.status).to.equal(ask[2])
        else expect(body).to.include.keys('error', 'error_description')
      }
      for (const accept of ['text/html', 'text/html,application/xhtml+xml,*/*;q=0.8']) {
        const { status, headers } = await send(ask, accept)
        expect(status, accept).to.equal(ask[2])
        expect(headers['content-type'], accept).to.match(/^text\/html/)
      }
    })
  }
})
