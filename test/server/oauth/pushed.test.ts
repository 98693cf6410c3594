import { expect } from 'chai'
import supertest from 'supertest'
import { authorizeQuery, post, type World, world } from './fixture.js'

describe('a pushed request whose user takes time (RFC 9126 section 4)', () => {
  const MINUTE = 60_000

  async function pushed(at: World): Promise<string> {
    return (await post(at, '/par', authorizeQuery())).body.request_uri
  }

  /** Where a browser without a session is sent to come back after the login. */
  async function arrived({ app }: World, request_uri: string): Promise<string> {
    const asked = supertest(app).get('/authorize').query({ client_id: 'fuse', request_uri })
    return (await asked).body.returnTo
  }

  async function allowed({ app, now }: World, returnTo: string): Promise<URLSearchParams> {
    const cookie = `who=user-1@${now}`
    const { body } = await supertest(app).get(returnTo).set('Cookie', cookie)
    const form = { ...body.fields, csrf_token: 'good', decision: 'allow', scope: 'file.read' }
    const answer = supertest(app).post(body.action).set('Cookie', cookie).type('form').send(form)
    return new URL((await answer).headers.location ?? '').searchParams
  }

  it('is granted although its time is over and it was swept meanwhile', async () => {
    const at = await world()
    const returnTo = await arrived(at, await pushed(at))
    at.now += 59 * MINUTE
    await at.sweep()
    expect((await allowed(at, returnTo)).get('code')).to.be.a('string')
  })

  it('is granted once all the same, however late and in whichever tab', async () => {
    const at = await world()
    const request_uri = await pushed(at)
    const first = await arrived(at, request_uri)
    at.now += MINUTE - 1
    const second = await arrived(at, request_uri)
    expect((await allowed(at, first)).get('code')).to.be.a('string')
    at.now += 60 * MINUTE
    await at.sweep()
    expect((await allowed(at, second)).get('error')).to.equal('invalid_request_uri')
  })
})
