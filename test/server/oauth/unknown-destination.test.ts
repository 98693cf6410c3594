import { expect } from 'chai'
import supertest from 'supertest'
import { allow, authorizeQuery, REDIRECT_URI, type World, world } from './fixture.js'

describe('an error for a client that registered itself (RFC 9700 section 4.11.2)', () => {
  const redirect_uri = 'https://rp.test/cb'
  let at: World
  let client_id: string
  beforeEach(async () => {
    at = await world({ registration: 'open' })
    const metadata = { token_endpoint_auth_method: 'none', redirect_uris: [redirect_uri] }
    client_id = (await supertest(at.app).post('/register').send(metadata)).body.client_id
  })

  const query = (changes: Record<string, string>) =>
    authorizeQuery({ client_id, redirect_uri, ...changes })

  async function asked(changes: Record<string, string>, cookie: string) {
    const answer = supertest(at.app).get('/authorize').query(query(changes))
    return (await answer.set('Cookie', cookie)) as supertest.Response
  }

  const ANYBODY = 'who=@'
  const wrong: [what: string, changes: Record<string, string>, error: string][] = [
    ['a request that must fail', { scope: 'unheard-of' }, 'invalid_scope'],
    ['a request that no page may answer', { prompt: 'none' }, 'consent_required'],
  ]
  for (const [what, changes, error] of wrong) {
    it(`is shown to whoever is signed in, who decides whether to go there, for ${what}`, async () => {
      const { status, body, headers } = await asked(changes, `who=user-1@${at.now}`)
      expect([status, body.kind, body.error]).to.deep.equal([400, 'error', error])
      expect(headers.location).to.equal(undefined)
      expect(body.link.text).to.equal('Go on to rp.test')
      const to = new URL(body.link.href)
      expect(to.origin + to.pathname).to.equal(redirect_uri)
      expect(to.searchParams.get('error')).to.equal(error)
      expect(to.searchParams.get('state')).to.equal('xyz')
    })
  }

  it('leads nobody anywhere who is not signed in, either', async () => {
    const { status, body } = await asked({ prompt: 'none' }, ANYBODY)
    expect([status, body.error]).to.deep.equal([400, 'login_required'])
  })

  it('says of nobody that they have not let the client in, who may have', async () => {
    await allow(at, query({}))
    const { body } = await asked({ prompt: 'none' }, ANYBODY)
    expect(body.message).to.match(/\. Nobody who is signed in here has let this application in/)
  })

  it('is sent there once the user has let the client in', async () => {
    await allow(at, query({}))
    const { headers } = await asked({ scope: 'unheard-of' }, `who=user-1@${at.now}`)
    expect(headers.location).to.match(/^https:\/\/rp\.test\/cb\?error=invalid_scope/)
    const other = await asked({ scope: 'unheard-of' }, `who=user-2@${at.now}`)
    expect(other.status).to.equal(400)
  })

  it('is sent to a client of the administrator at once', async () => {
    const changes = { client_id: 'fuse', redirect_uri: REDIRECT_URI, prompt: 'none' }
    const { headers } = await asked(changes, ANYBODY)
    expect(headers.location).to.match(/error=login_required/)
  })
})
