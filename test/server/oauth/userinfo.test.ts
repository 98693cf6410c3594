import { expect } from 'chai'
import { decodeJwt } from 'jose'
import supertest from 'supertest'
import { tokens, world } from './fixture.js'

describe('GET /userinfo (OpenID Connect Core section 5.3)', () => {
  it('is a use of the access that people see', async () => {
    const at = await world()
    const { access_token } = await tokens(at)
    at.now += 120_000
    await supertest(at.app).get('/userinfo').set('Authorization', `Bearer ${access_token}`)
    const grant = await at.store.grant(`${decodeJwt(access_token).grant_id}`)
    expect([grant?.lastUsedAt, grant?.lastUsedFrom]).to.deep.equal([at.now, '127.0.0.1'])
  })

  it('takes a token in a form that is posted, and in no other body (RFC 6750 section 2.2)', async () => {
    const at = await world()
    const { access_token } = await tokens(at)
    const form = new URLSearchParams({ access_token }).toString()
    const send = (method: 'get' | 'post') =>
      supertest(at.app)[method]('/userinfo').type('form').send(form)
    expect((await send('post')).status).to.equal(200)
    expect((await send('get')).status).to.equal(401)
  })
})
