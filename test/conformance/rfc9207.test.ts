import { expect } from 'chai'
import { expectRedirect } from './support/expect.js'
import { locationOf } from './support/http.js'
import { row } from './support/row.js'

describe('RFC 9207: issuer identification', () => {
  row('rfc9207-2-1', 'M', 'names the issuer in success responses', async (suite) => {
    expect((await suite.allowed()).searchParams.get('iss')).to.equal(suite.target.issuer)
  })

  row('rfc9207-2-2', 'M', 'names the issuer in error responses', async (suite) => {
    const browser = await suite.signedIn()
    const denied = await suite.decide(browser, await suite.asked({}, browser), 'deny')
    expectRedirect(denied, 'access_denied')
    const scope = await suite.asked({ scope: 'nope' })
    expect([denied, locationOf(scope)].map((to) => to?.searchParams.get('iss'))).to.deep.equal(
      Array(2).fill(suite.target.issuer),
    )
  })

  row('rfc9207-2.3-1', 'M', 'announces it, and means the issuer of the metadata', async (suite) => {
    const metadata: Record<string, unknown> = await suite.metadata()
    expect(metadata.authorization_response_iss_parameter_supported).to.equal(true)
    expect((await suite.allowed()).searchParams.get('iss')).to.equal(metadata.issuer)
  })
})
