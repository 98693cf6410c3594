import { expect } from 'chai'
import { type Running, startSite } from '../running.js'

describe('the file API and pages of other origins (CORS, Fetch section 3.3)', () => {
  let site: Running
  let token: string
  before(async () => {
    site = await startSite()
    token = `Bearer ${(await site.tokens()).access_token}`
  })
  after(() => site?.remove())

  const asked: [
    what: string,
    method: 'get' | 'put',
    path: string,
    fields: object,
    status: number,
  ][] = [
    ['a file that is made', 'put', '/files/a', {}, 201],
    ['a file', 'get', '/files/a', {}, 200],
    ['a part', 'get', '/files/a', { Range: 'bytes=1-2' }, 206],
    ['a directory', 'get', '/files/', {}, 200],
    ['what is not there', 'get', '/files/b', {}, 404],
    ['a bad path', 'get', '/files/a%2fb', {}, 400],
    ['a condition that fails', 'put', '/files/a', { 'If-None-Match': '*' }, 412],
    ['no token', 'get', '/files/a', { Authorization: '' }, 401],
  ]
  for (const [what, method, path, fields, status] of asked) {
    it(`lets them read the answer to ${what}, and all its fields`, async () => {
      const request = site.browser()[method](path)
      const answer = await request
        .set({ Authorization: token, ...fields })
        .send(method === 'put' ? 'hello' : undefined)
      expect(answer.status).to.equal(status)
      expect(answer.headers).to.include({
        'access-control-allow-origin': '*',
        'access-control-expose-headers': '*',
      })
      expect(answer.headers).to.not.have.property('access-control-allow-credentials')
    })
  }

  it('tells them beforehand what they may send, without a token', async () => {
    for (const path of [
      '/files/a',
      '/inodes/1/a',
      `/uploads/${'x'.repeat(22)}`,
      '/batch',
      '/changes',
      '/totals',
    ]) {
      const { status, headers } = await site.browser().options(path)
      expect(status, path).to.equal(204)
      expect(headers['access-control-allow-origin']).to.equal('*')
      expect(headers['access-control-allow-headers']).to.equal('Authorization, *')
      expect(headers['access-control-allow-methods']).to.equal(headers.allow)
    }
  })
})
