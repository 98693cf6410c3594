import { expect } from 'chai'
import { json } from './support/http.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { claims } from './support/values.js'

type Metadata = Record<string, unknown>

async function both(suite: Suite): Promise<[Metadata, Metadata]> {
  const { issuer } = suite.target
  const { origin, pathname } = new URL(issuer)
  const path = pathname === '/' ? '' : pathname
  const oauth = await suite.http.get(`${origin}/.well-known/oauth-authorization-server${path}`)
  const openid = await suite.http.get(`${issuer}/.well-known/openid-configuration`)
  for (const answer of [oauth, openid]) {
    expect(answer.status).to.equal(200)
    expect(answer.headers['content-type']).to.match(/^application\/json/)
  }
  return [json(oauth), json(openid)]
}

function strings(metadata: Metadata, name: string): readonly string[] {
  const value = metadata[name]
  expect(value, name).to.be.an('array')
  return value as string[]
}

describe('RFC 8414: metadata', () => {
  row(
    'rfc8414-2-1',
    'M',
    'has an https issuer without query and fragment',
    async (suite) => {
      const [{ issuer }] = await both(suite)
      expect(issuer).to.match(/^https:\/\/[^?#]+$/)
    },
    { clients: [] },
  )

  row(
    'rfc8414-2-2',
    'M',
    'names the endpoints and response types',
    async (suite) => {
      const [metadata] = await both(suite)
      expect(metadata.authorization_endpoint).to.match(/^https:/)
      expect(metadata.token_endpoint).to.match(/^https:/)
      expect(strings(metadata, 'response_types_supported')).to.include('code')
    },
    { clients: [] },
  )

  row(
    'rfc8414-2-3',
    'M',
    'states what would otherwise be assumed',
    async (suite) => {
      const [metadata] = await both(suite)
      expect(strings(metadata, 'grant_types_supported')).to.not.include('implicit')
      expect(strings(metadata, 'response_modes_supported')).to.not.include('fragment')
      for (const name of ['token', 'revocation', 'introspection']) {
        expect(strings(metadata, `${name}_endpoint_auth_methods_supported`)).to.include(
          'private_key_jwt',
        )
      }
      expect(strings(metadata, 'code_challenge_methods_supported')).to.deep.equal(['S256'])
    },
    { clients: [] },
  )

  row(
    'rfc8414-2-4',
    'M',
    'never lists none as an algorithm, and lists some where they are needed',
    async (suite) => {
      const [metadata] = await both(suite)
      const lists = Object.keys(metadata).filter((name) => name.includes('signing_alg'))
      expect(lists).to.include('token_endpoint_auth_signing_alg_values_supported')
      for (const name of lists) expect(strings(metadata, name), name).to.not.include('none')
    },
    { clients: [] },
  )

  row(
    'rfc8414-2-5',
    'M',
    'publishes public keys with kid, alg and use',
    async (suite) => {
      const [metadata] = await both(suite)
      expect(metadata.jwks_uri).to.match(/^https:/)
      const { keys } = json(await suite.http.get(String(metadata.jwks_uri))) as { keys: Metadata[] }
      expect(keys.map(({ alg }) => alg)).to.include.members(['ES256', 'RS256'])
      for (const key of keys) {
        expect(key).to.include.keys('kid', 'alg', 'use', 'kty')
        for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'])
          expect(key).to.not.have.property(member)
      }
    },
    { clients: [] },
  )

  row(
    'rfc8414-2-6',
    'P',
    'serves every URL that it names',
    async (suite) => {
      const [metadata] = await both(suite)
      const urls = Object.entries(metadata).filter(([name]) => /_endpoint$|_uri$/.test(name))
      expect(urls.length).to.be.above(8)
      for (const [name, url] of urls) {
        const answer = await suite.http.get(String(url), { accept: 'text/html' })
        expect(answer.status, name).to.be.oneOf([200, 302, 303, 400, 401, 405])
      }
      for (const path of ['/register', '/check_session']) {
        if (urls.some(([, url]) => String(url).endsWith(path))) continue
        expect((await suite.http.post(suite.target.issuer + path, {})).status, path).to.equal(404)
      }
    },
    { clients: [] },
  )

  row(
    'rfc8414-3-1',
    'M',
    'inserts the well-known path before that of the issuer',
    async (suite) => {
      const [oauth] = await both(suite)
      expect(oauth.issuer).to.equal(suite.target.issuer)
    },
    { clients: [] },
  )

  row(
    'rfc8414-3.2-1',
    'M',
    'omits what has no value',
    async (suite) => {
      for (const metadata of await both(suite)) {
        for (const [name, value] of Object.entries(metadata)) {
          expect(value, name).to.not.equal(null)
          expect(value, name).to.not.deep.equal([])
        }
      }
    },
    { clients: [] },
  )

  row(
    'rfc8414-3.3-1',
    'M',
    'says the same at both places, whatever Host and proxies claim',
    async (suite) => {
      const [oauth, openid] = await both(suite)
      expect(oauth).to.deep.equal(openid)
      expect(oauth.issuer).to.equal(suite.target.issuer)
      const url = `${suite.target.issuer}/.well-known/openid-configuration`
      for (const headers of [
        { host: 'evil.test' },
        { 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http' },
      ]) {
        const answer = await suite.http.get(url, headers)
        if (answer.status === 200) expect(json(answer)).to.deep.equal(openid)
        else expect(answer.body).to.not.include('evil.test"')
      }
    },
    { clients: [] },
  )

  row(
    'oidcd-3-1',
    'M',
    'has what OpenID Connect Discovery requires',
    async (suite) => {
      const [, metadata] = await both(suite)
      for (const name of [
        'issuer',
        'authorization_endpoint',
        'token_endpoint',
        'userinfo_endpoint',
        'jwks_uri',
      ]) {
        expect(metadata[name], name).to.be.a('string')
      }
      expect(strings(metadata, 'subject_types_supported')).to.deep.equal(['public'])
      expect(strings(metadata, 'id_token_signing_alg_values_supported')).to.include('RS256')
      expect(strings(metadata, 'scopes_supported')).to.include('openid')
      // Left out, it would mean true, and any request_uri is refused (Core section 3.1.2.6).
      expect(metadata.request_uri_parameter_supported).to.equal(false)
    },
    { clients: [] },
  )

  row(
    'oidcd-4-1',
    'M',
    'is found below the issuer',
    async (suite) => {
      const [, { issuer }] = await both(suite)
      expect((await suite.http.get(`${issuer}/.well-known/openid-configuration`)).status).to.equal(
        200,
      )
    },
    { clients: [] },
  )

  row(
    'oidcd-4.3-1',
    'M',
    'has one issuer in the URL, the document and the tokens',
    async (suite) => {
      const [, { issuer }] = await both(suite)
      const { id_token, access_token } = await suite.tokens({ scope: 'openid file.read' })
      expect([issuer, claims(id_token).iss, claims(access_token).iss]).to.deep.equal(
        Array(3).fill(suite.target.issuer),
      )
    },
  )
})
