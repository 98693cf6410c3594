import { expect } from 'chai'
import { decodeJwt, importPKCS8, SignJWT } from 'jose'
import supertest from 'supertest'
import { code, openedKey, redeem, tokens, world } from './fixture.js'

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

  it('is not asked about with an ID token of the user, and is with any other token', async () => {
    const at = await world()
    const { id_token, access_token } = await tokens(at)
    const shown = async (id_token_hint: string, who: string) => {
      const asked = supertest(at.app).get('/logout').query({ id_token_hint })
      return (await asked.set('Cookie', `who=${who}@`)).body.kind
    }
    expect(await shown(id_token, 'user-2')).to.equal('logout')
    expect(await shown(access_token, 'user-1')).to.equal('logout')
    expect(await shown(id_token, 'user-1')).to.equal('message')
  })

  it('leads nobody to a client that registered itself who is not signed in (section 3)', async () => {
    const at = await world({ registration: 'open' })
    const [redirect_uri, post_logout_redirect_uri] = ['https://rp.test/cb', 'https://rp.test/out']
    const metadata = {
      token_endpoint_auth_method: 'none',
      redirect_uris: [redirect_uri],
      post_logout_redirect_uris: [post_logout_redirect_uri],
    }
    const { client_id } = (await supertest(at.app).post('/register').send(metadata)).body
    const issued = await code(at, { client_id, redirect_uri })
    const { id_token } = (await redeem(at, issued, { client_id, redirect_uri })).body
    const led = async (who: string) => {
      const query = { id_token_hint: id_token, post_logout_redirect_uri }
      const asked = supertest(at.app).get('/logout').query(query)
      return (await asked.set('Cookie', `who=${who}@`)).headers.location
    }
    expect(await led('nobody')).to.equal(undefined)
    expect(await led('user-1')).to.equal(post_logout_redirect_uri)
  })

  it('takes an ID token with the one algorithm that its key is for (RFC 8725 section 3.1)', async () => {
    const at = await world()
    const { id_token } = await tokens(at)
    const { alg: ours, key, kid } = await openedKey(at, 'RS256')
    for (const [alg, kind] of [
      [ours, 'message'],
      ['RS512', 'logout'],
      ['PS256', 'logout'],
    ] as const) {
      const hint = await new SignJWT(decodeJwt(id_token))
        .setProtectedHeader({ alg, typ: 'JWT', kid })
        .sign(await importPKCS8(key, alg))
      const asked = supertest(at.app).get('/logout').query({ id_token_hint: hint })
      expect((await asked.set('Cookie', 'who=user-1@')).body.kind, alg).to.equal(kind)
    }
  })
})

describe('an ID token (OpenID Connect Core section 2)', () => {
  it('names the session, and when the user signed in to it', async () => {
    const at = await world()
    const auth_time = at.now / 1000
    const issued = await code(at)
    at.now += 5000
    const { body } = await redeem(at, issued)
    expect(decodeJwt(body.id_token)).to.include({ auth_time, sid: 'sid of user-1' })
  })
})
