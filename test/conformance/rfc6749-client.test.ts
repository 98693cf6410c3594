import { expect } from 'chai'
import { digestOf } from '../../oauth/secrets.js'
import { expectError, expectRefused } from './support/expect.js'
import { json } from './support/http.js'
import { row } from './support/row.js'
import { basic, unique } from './support/values.js'

const grant = { grant_type: 'client_credentials' }

/** The right credentials in base64 that decodes to them and is not theirs: without padding, with bits in what is padded. */
function loose(client_id: string, client_secret: string): string[] {
  // a letter may be percent-encoded or not, which makes another length of it
  const letters = [...client_secret]
  const spelled = letters.map((_, n) =>
    letters.map((c, k) => (k < n ? `%${c.charCodeAt(0).toString(16)}` : c)).join(''),
  )
  const padded = spelled
    .map((secret) => Buffer.from(`${client_id}:${secret}`).toString('base64'))
    .find((text) => text.endsWith('='))
  if (padded === undefined) throw new Error('the secret is too short to be padded')
  const at = padded.indexOf('=') - 1
  const next = String.fromCharCode(padded.charCodeAt(at) + 1)
  return [padded.replace(/=+$/, ''), padded.slice(0, at) + next + padded.slice(at + 1)]
}

describe('RFC 6749: client authentication', () => {
  row(
    'rfc6749-2.3-1',
    'M',
    'takes one client-auth method per request',
    async (suite) => {
      const { client_secret = '' } = suite.client('service')
      const both = await suite.token({ ...grant, client_secret }, suite.basic('service'))
      expectError(both, 400, 'invalid_request')
      const assertion = await suite.assertion('keyed')
      expectError(
        await suite.token({ ...grant, ...assertion }, suite.basic('service')),
        400,
        'invalid_request',
      )
    },
    { clients: ['service', 'keyed'] },
  )

  row(
    'rfc6749-2.3.1-1',
    'M',
    'accepts Basic from a client with a password',
    async (suite) => {
      expect((await suite.token(grant, suite.basic('service'))).status).to.equal(200)
    },
    { clients: ['service'] },
  )

  row(
    'rfc6749-2.3.1-2',
    'M',
    'form-decodes the id and the secret of Basic, and refuses what does not decode',
    async (suite) => {
      const { client_id, client_secret = '' } = suite.client('service')
      const escaped = [...client_secret].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')
      expect(
        (await suite.token(grant, { authorization: basic(client_id, escaped) })).status,
      ).to.equal(200)
      const wrong = [
        basic(client_id, '%zz'),
        basic(client_id, `${client_secret}%`),
        basic(client_id, `${client_secret}+`),
        basic(client_id, '%ff%fe'),
        `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64').replace(/=*$/, '')}=====`,
        `Basic ${Buffer.from(client_id).toString('base64')}`,
        'Basic',
        'Basic !!!',
        ...loose(client_id, client_secret).map((credentials) => `Basic ${credentials}`),
      ]
      for (const authorization of wrong) {
        expectError(await suite.token(grant, { authorization }), 401, 'invalid_client')
      }
      if (suite.target.inside === undefined) return
      // Our own secrets need no encoding; one that somebody brought along may.
      const { store } = suite.inside
      const client = await store.client(client_id)
      if (client === undefined) throw new Error('the client is not in the store')
      const awkward = { id: 'awkward:+client é', secret: 'a+b%:é /' }
      await store.saveClient({
        ...client,
        client_id: awkward.id,
        client_secret_digest: digestOf(awkward.secret),
      })
      const form = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
      const encoded = basic(form(awkward.id), form(awkward.secret))
      expect((await suite.token(grant, { authorization: encoded })).status).to.equal(200)
      for (const raw of [
        basic(awkward.id, awkward.secret),
        basic(form(awkward.id), awkward.secret),
        basic(form(awkward.id), form(form(awkward.secret))),
      ]) {
        expectError(await suite.token(grant, { authorization: raw }), 401, 'invalid_client')
      }
      await store.removeClient(awkward.id, Date.now())
    },
    { clients: ['service'] },
  )

  row(
    'rfc6749-2.3.1-3',
    'M',
    'never takes credentials from the URI',
    async (suite) => {
      const { client_id, client_secret = '' } = suite.client('service')
      const query = new URLSearchParams({ ...grant, client_id, client_secret })
      const answer = await suite.http.post(`${await suite.endpoint('token')}?${query}`, '')
      expectRefused(answer)
      expect(answer.body).to.not.include('access_token')
    },
    { clients: ['service'] },
  )

  row(
    'rfc6749-2.3.1-4',
    'M',
    'slows down who guesses secrets, and nobody else',
    async (suite) => {
      const { client_id } = suite.client('service')
      const url = await suite.endpoint('token')
      const guesser = suite.newBrowser('127.0.0.77')
      const from = ({ address }: { address: string | null }) => address === '127.0.0.77'
      const statuses: number[] = []
      for (let n = 0; n < 200; n++) {
        const authorization = basic(client_id, `wrong-${n}`)
        statuses.push((await guesser.post(url, grant, { authorization })).status)
      }
      expect(statuses[0]).to.equal(401)
      const first = statuses.indexOf(429)
      expect(first).to.be.within(1, 100)
      expect(new Set(statuses.slice(first))).to.deep.equal(new Set([429]))
      const slowed = await guesser.post(url, grant, suite.basic('service'))
      expect(slowed.status).to.equal(429)
      expect(Number(slowed.headers['retry-after'])).to.be.above(0)
      expect((await suite.token(grant, suite.basic('service'))).status).to.equal(200)
      const failures = suite.inside.audited('client.authenticate').filter(from)
      expect(failures).to.have.length(first)
      for (const { outcome, client_id: whose } of failures) {
        expect([outcome, whose]).to.deep.equal(['failure', client_id])
      }
      expect(suite.inside.audited('client.limited').filter(from)).to.have.length(1)
    },
    { clients: ['service'], inside: true },
  )

  row(
    'rfc6749-3.2.1-1',
    'M',
    'requires a client_id of a client that does not authenticate',
    async (suite) => {
      const code = await suite.code()
      expectRefused(await suite.redeem(code, { client_id: undefined }))
    },
  )

  row(
    'rfc6749-4.1.3-3',
    'M',
    'requires a confidential client to authenticate',
    async (suite) => {
      const { client_id } = suite.client('web')
      const code = await suite.code(await suite.web())
      const form = { client_id, redirect_uri: 'https://rp.test/cb?x=1' }
      expectError(await suite.redeem(code, form), 401, 'invalid_client')
      expectError(
        await suite.redeem(code, form, { authorization: basic(client_id, unique()) }),
        401,
        'invalid_client',
      )
    },
    { clients: ['web'] },
  )

  row(
    'rfc6749-4.4-1',
    'M',
    'gives client_credentials to confidential clients only',
    async (suite) => {
      const { client_id } = suite.client('fuse')
      const answer = await suite.token({ ...grant, client_id })
      expectRefused(answer)
      expect(json(answer).error).to.be.oneOf(['unauthorized_client', 'invalid_client'])
    },
  )

  row(
    'rfc6749-5.2-2',
    'M',
    'answers invalid_client to Basic with 401 and a Basic challenge',
    async (suite) => {
      const { client_id } = suite.client('service')
      const answer = await suite.token(grant, { authorization: basic(client_id, 'wrong') })
      expectError(answer, 401, 'invalid_client')
      expect(answer.headers['www-authenticate']).to.match(/^Basic realm=/)
    },
    { clients: ['service'] },
  )

  row(
    'rfc6749-6-4',
    'M',
    'requires a confidential client to authenticate when it refreshes',
    async (suite) => {
      const { refresh_token } = await suite.webTokens()
      const { client_id } = suite.client('web')
      expectError(await suite.refresh(refresh_token, { client_id }), 401, 'invalid_client')
      const authenticated = await suite.refresh(
        refresh_token,
        { client_id: undefined },
        suite.basic('web'),
      )
      expect(authenticated.status).to.equal(200)
    },
    { clients: ['web'] },
  )
})
