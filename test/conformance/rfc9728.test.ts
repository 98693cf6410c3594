import { expect } from 'chai'
import { row } from './support/row.js'

describe('RFC 9728: protected resource metadata', () => {
  const metadataUrl = async (suite: Parameters<Parameters<typeof row>[3]>[0]) =>
    /resource_metadata="([^"]+)"/.exec(
      (await suite.http.get(suite.target.resourceUrl)).headers['www-authenticate'] ?? '',
    )?.[1] ?? ''

  row(
    'rfc9728-2-1',
    'M',
    'describes the resource',
    async (suite) => {
      const body = JSON.parse((await suite.http.get(await metadataUrl(suite))).body)
      expect(body.resource).to.match(/^https:/)
      expect(body.authorization_servers).to.deep.equal([suite.target.issuer])
      const { origin, pathname } = new URL(body.authorization_servers[0])
      const path = pathname.replace(/\/$/, '')
      const server = await suite.http.get(`${origin}/.well-known/oauth-authorization-server${path}`)
      expect(JSON.parse(server.body).issuer).to.equal(body.authorization_servers[0])
      expect(body.scopes_supported).to.include.members(['file.read', 'file.write'])
      expect(body.bearer_methods_supported).to.deep.equal(['header'])
      expect(body.dpop_signing_alg_values_supported).to.include('ES256')
    },
    { clients: [] },
  )

  row(
    'rfc9728-3-1',
    'M',
    'is found by inserting the well-known path',
    async (suite) => {
      const url = await metadataUrl(suite)
      const { resource } = JSON.parse((await suite.http.get(url)).body)
      const { origin, pathname } = new URL(resource)
      expect(url).to.equal(
        `${origin}/.well-known/oauth-protected-resource${pathname.replace(/\/$/, '')}`,
      )
    },
    { clients: [] },
  )

  row(
    'rfc9728-3.2-1',
    'M',
    'is JSON without empty members',
    async (suite) => {
      const answer = await suite.http.get(await metadataUrl(suite))
      expect(answer.status).to.equal(200)
      expect(answer.headers['content-type']).to.match(/^application\/json/)
      for (const value of Object.values(JSON.parse(answer.body)))
        expect(JSON.stringify(value)).to.not.be.oneOf(['null', '""', '[]', '{}'])
    },
    { clients: [] },
  )

  row(
    'rfc9728-3.3-1',
    'M',
    'names the identifier that it was found by',
    async (suite) => {
      const url = await metadataUrl(suite)
      const { resource } = JSON.parse((await suite.http.get(url)).body)
      expect(suite.target.resourceUrl.startsWith(resource)).to.equal(true)
    },
    { clients: [] },
  )

  row('rfc9728-5.1-1', 'M', 'is named by every 401, and leads to a token', async (suite) => {
    for (const answer of [
      await suite.http.get(suite.target.resourceUrl),
      await suite.read('nonsense'),
      await suite.http.get(suite.target.resourceUrl, { authorization: 'DPoP nonsense' }),
    ]) {
      expect(answer.status).to.equal(401)
      expect(answer.headers['www-authenticate']).to.match(
        /Bearer .*resource_metadata=.*DPoP .*resource_metadata=/,
      )
    }
    const { authorization_servers } = JSON.parse(
      (await suite.http.get(await metadataUrl(suite))).body,
    )
    expect(authorization_servers[0]).to.equal(suite.target.issuer)
    expect((await suite.read((await suite.tokens()).access_token)).status).to.equal(200)
  })
})
