import { expect } from 'chai'
import { expectError, expectRedirect } from './support/expect.js'
import { json } from './support/http.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { claims, success } from './support/values.js'

async function resourceOf(suite: Suite): Promise<string> {
  const challenge =
    (await suite.http.get(suite.target.resourceUrl)).headers['www-authenticate'] ?? ''
  const url = /resource_metadata="([^"]+)"/.exec(challenge)?.[1] ?? ''
  return String(json(await suite.http.get(url)).resource)
}

describe('RFC 8707: resource indicators', () => {
  row('rfc8707-2-1', 'M', 'takes absolute URIs without a fragment only', async (suite) => {
    const resource = await resourceOf(suite)
    for (const wrong of ['files', `${resource}#x`, '//x/files', '']) {
      if (wrong !== '') expectRedirect(await suite.asked({ resource: wrong }), 'invalid_target')
      if (wrong === '' || suite.target.clients.service === undefined) continue
      const form = { grant_type: 'client_credentials', resource: wrong }
      expectError(await suite.token(form, suite.basic('service')), 400, 'invalid_target')
    }
  })

  row(
    'rfc8707-2-2',
    'M',
    'does not take several resources for a repeated parameter',
    async (suite) => {
      const resource = await resourceOf(suite)
      const twice = await suite.allowed({ resource: [resource, resource] })
      expect(twice.searchParams.get('code')).to.be.a('string')
      expectRedirect(
        await suite.asked({ resource: [resource, 'https://other.test/'] }),
        'invalid_target',
      )
    },
  )

  row(
    'rfc8707-2-3',
    'S',
    'answers invalid_target to unknown resources',
    async (suite) => {
      expectRedirect(await suite.asked({ resource: 'https://evil.test/' }), 'invalid_target')
      const form = { grant_type: 'client_credentials', resource: 'https://evil.test/' }
      expectError(await suite.token(form, suite.basic('service')), 400, 'invalid_target')
    },
    { clients: ['fuse', 'service'] },
  )

  row('rfc8707-2-4', 'S', 'restricts the audience to the resource', async (suite) => {
    const resource = await resourceOf(suite)
    const { access_token } = await suite.tokens({ resource })
    expect([claims(access_token).aud].flat()).to.deep.equal([resource])
  })

  row('rfc8707-2.2-1', 'S', 'takes only granted resources at the token endpoint', async (suite) => {
    const resource = await resourceOf(suite)
    const code = await suite.code({ resource })
    expectError(
      await suite.redeem(code, { resource: 'https://other.test/' }),
      400,
      'invalid_target',
    )
    success(await suite.redeem(code, { resource }))
  })

  row(
    'rfc8707-2.2-2',
    'S',
    'keeps a refresh token bound to all that was granted',
    async (suite) => {
      const resource = await resourceOf(suite)
      const { refresh_token } = await suite.tokens({ resource })
      const narrowed = success(await suite.refresh(refresh_token, { resource }))
      expectError(
        await suite.refresh(narrowed.refresh_token, { resource: 'https://other.test/' }),
        400,
        'invalid_target',
      )
      expect(
        claims(success(await suite.refresh(narrowed.refresh_token)).access_token).aud,
      ).to.equal(resource)
    },
  )
})
