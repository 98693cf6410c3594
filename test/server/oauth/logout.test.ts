import { expect } from 'chai'
import supertest from 'supertest'
import { world } from './fixture.js'

describe('a logout that the user is asked about (RP-Initiated Logout section 2)', () => {
  it('is confirmed in the session that was asked, and in no other', async () => {
    const { app } = await world()
    const shown = await supertest(app).get('/logout').set('Cookie', 'who=user-1@')
    const confirm = (who: string) =>
      supertest(app)
        .post(shown.body.action)
        .set('Cookie', `who=${who}@`)
        .type('form')
        .send({ ...shown.body.fields, csrf_token: 'good', decision: 'allow' })
    const other = await confirm('user-2')
    expect([other.status, other.body.error]).to.deep.equal([400, 'invalid_request'])
    expect((await confirm('user-1')).body.title).to.equal('Signed out')
  })

  it('is none with a repeated parameter', async () => {
    const { app } = await world()
    const answer = await supertest(app).get('/logout?foo=a&foo=b').set('Cookie', 'who=user-1@')
    expect([answer.status, answer.body.error]).to.deep.equal([400, 'invalid_request'])
  })
})
