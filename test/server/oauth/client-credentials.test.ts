import { expect } from 'chai'
import { registerClient } from '../../../oauth/index.js'
import { post, world } from './fixture.js'

describe('client credentials (RFC 6749 section 4.4.2)', () => {
  it('give nothing to a client whose scopes are all about users', async () => {
    const at = await world()
    const accounts = { claims: async () => undefined }
    const registry = { store: at.store, accounts, scopes: [], clock: () => new Date(at.now) }
    const { client, client_secret = '' } = await registerClient(registry, {
      client_name: 'A service',
      grant_types: ['client_credentials'],
      scope: 'openid profile',
    })
    const grant_type = 'client_credentials'
    for (const form of [
      { grant_type },
      { grant_type, scope: 'openid' },
      { grant_type, scope: '' },
    ]) {
      const answer = await post(at, '/token', form).auth(client.client_id, client_secret)
      expect([answer.status, answer.body.error]).to.deep.equal([400, 'invalid_scope'])
    }
  })
})
