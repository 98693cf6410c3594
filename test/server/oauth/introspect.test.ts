import { expect } from 'chai'
import { registerClient } from '../../../oauth/index.js'
import { post, refresh, type Tokens, tokens, type World, world } from './fixture.js'

const SERVER = {
  client_name: 'A resource server',
  grant_types: ['client_credentials'],
  introspects: true,
}

describe('a refresh token at /introspect (RFC 7662 section 2.2)', () => {
  let at: World
  let issued: Tokens
  let server: [client_id: string, client_secret: string]
  beforeEach(async () => {
    at = await world()
    const accounts = { claims: async () => undefined }
    const registry = { store: at.store, accounts, scopes: [], clock: () => new Date(at.now) }
    const { client, client_secret = '' } = await registerClient(registry, SERVER)
    server = [client.client_id, client_secret]
    issued = await tokens(at)
  })

  async function said(token: string): Promise<object> {
    const { status, body } = await post(at, '/introspect', { token }).auth(...server)
    expect(status).to.equal(200)
    return body
  }

  it('is inactive once it was exchanged for the next, which is active', async () => {
    expect(await said(issued.refresh_token)).to.include({ active: true, sub: 'user-1' })
    const next = (await refresh(at, issued.refresh_token)).body.refresh_token
    expect(await said(issued.refresh_token)).to.deep.equal({ active: false })
    expect(await said(next)).to.include({ active: true })
  })

  it('is inactive while the account is disabled', async () => {
    at.disabled.add('user-1')
    expect(await said(issued.refresh_token)).to.deep.equal({ active: false })
    at.disabled.clear()
    expect(await said(issued.refresh_token)).to.include({ active: true })
  })
})
