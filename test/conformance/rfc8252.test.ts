import { expect } from 'chai'
import { expectPage, expectRedirect, expectRefused } from './support/expect.js'
import { formsOf, locationOf } from './support/http.js'
import { refusalOf } from './support/registration.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'
import { success } from './support/values.js'

async function accepts(suite: Suite, changes: Record<string, string>): Promise<void> {
  const to = await suite.allowed(changes)
  expect(to.href.startsWith(changes.redirect_uri ?? '')).to.equal(true)
  expect(to.searchParams.get('code')).to.be.a('string')
}

describe('RFC 8252: native apps', () => {
  row(
    'rfc8252-7-1',
    'M',
    'registers all three kinds of redirect',
    async (suite) => {
      for (const uri of [
        'com.example.app:/cb',
        'https://app.example/cb',
        'http://127.0.0.1/cb',
        'http://[::1]/cb',
      ]) {
        expect(await refusalOf(suite, { redirect_uris: [uri] }), uri).to.equal(undefined)
      }
      const { client_id } = suite.client('several')
      for (const redirect_uri of [
        'com.example.app:/cb',
        'https://app.example/cb',
        'http://127.0.0.1:7/cb',
      ]) {
        await accepts(suite, { client_id, redirect_uri })
      }
    },
    { inside: true, clients: ['several'] },
  )

  row(
    'rfc8252-7.1-1',
    'S',
    'refuses a private scheme without a dot',
    async (suite) => {
      for (const uri of [
        'myapp:/cb',
        'javascript:alert(1)',
        'data:text/html,x',
        'file:///cb',
        'com.example.app://host/cb',
      ]) {
        expect(await refusalOf(suite, { redirect_uris: [uri] }), uri).to.be.a('string')
      }
    },
    { inside: true },
  )

  row(
    'rfc9700-2.6-1',
    'M',
    'registers http for loopback only',
    async (suite) => {
      for (const uri of [
        'http://rp.test/cb',
        'http://127.0.0.1.evil.test/cb',
        'http://192.168.1.5/cb',
        'http://localhost/cb',
      ]) {
        expect(await refusalOf(suite, { redirect_uris: [uri] }), uri).to.be.a('string')
      }
    },
    { inside: true },
  )

  row('rfc8252-7.3-1', 'M', 'takes any port of 127.0.0.1', async (suite) => {
    for (const port of [1, 1024, 65535])
      await accepts(suite, { redirect_uri: `http://127.0.0.1:${port}/cb` })
  })

  row(
    'rfc8252-7.3-2',
    'M',
    'takes any port of [::1]',
    async (suite) => {
      const { client_id } = suite.client('fuse6')
      for (const port of [1, 1024, 65535])
        await accepts(suite, { client_id, redirect_uri: `http://[::1]:${port}/cb` })
    },
    { clients: ['fuse6'] },
  )

  row('rfc8252-7.3-3', 'M', 'compares everything but the port exactly', async (suite) => {
    for (const rest of [
      '/cb/',
      '/CB',
      '/x/../cb',
      '/cb?x',
      '/cb#f',
      '/cb%2f',
      '/%63b',
      '',
      '/',
      '/cb ',
      '//cb',
      '/cb;x',
    ]) {
      expectPage(await suite.asked({ redirect_uri: `http://127.0.0.1:49152${rest}` }))
    }
  })

  row('rfc8252-7.3-4', 'M', 'frees the port of loopback literals only', async (suite) => {
    for (const redirect_uri of [
      'http://127.0.0.1.evil:49152/cb',
      'http://127.0.0.1@evil.test/cb',
      'http://127.0.0.1:49152@evil.test/cb',
      'http://127.1:49152/cb',
      'http://0x7f.1:49152/cb',
      'http://2130706433:49152/cb',
      'http://[::ffff:127.0.0.1]:49152/cb',
      'http://192.168.1.5:49152/cb',
      'https://127.0.0.1:49152/cb',
      'http://127.0.0.1:99999/cb',
      'http://127.0.0.1:/cb',
      'http://127.0.0.1:0/cb',
      'http://127.0.0.1:049152/cb',
      'HTTP://127.0.0.1:49152/cb',
    ]) {
      expectPage(await suite.asked({ redirect_uri }))
    }
  })

  row('rfc8252-7.3-5', 'P', 'does not take one loopback host for another', async (suite) => {
    for (const host of ['localhost', '[::1]', '127.0.0.2']) {
      expectPage(await suite.asked({ redirect_uri: `http://${host}:49152/cb` }))
    }
  })

  row(
    'rfc8252-7.3-6',
    'P',
    'takes a registration without a path',
    async (suite) => {
      const { client_id } = suite.client('bare')
      await accepts(suite, { client_id, redirect_uri: 'http://127.0.0.1:39651' })
      expectPage(await suite.asked({ client_id, redirect_uri: 'http://127.0.0.1:39651/cb' }))
    },
    { clients: ['bare'] },
  )

  row(
    'rfc8252-8.4-1',
    'M',
    'records the type of the client',
    async (suite) => {
      const { client_id } = suite.client('fuse')
      const client = await suite.inside.store.client(client_id)
      expect(client).to.include({ application_type: 'native', token_endpoint_auth_method: 'none' })
    },
    { inside: true },
  )

  row('rfc8252-8.5-1', 'M', 'takes no embedded secret for a proof', async (suite) => {
    const code = await suite.code()
    expectRefused(await suite.redeem(code, { client_secret: 'embedded' }))
    success(await suite.redeem(code))
  })

  row('rfc8252-8.6-1', 'S', 'asks again, whatever was allowed before', async (suite) => {
    await suite.code()
    const page = await suite.asked()
    expect(locationOf(page)).to.equal(undefined)
    expect(formsOf(page)).to.not.have.length(0)
    expectRedirect(await suite.asked({ prompt: 'none' }), 'consent_required')
  })
})
