import { expect } from 'chai'
import { ExchangeError } from '../../../client/http/exchange.js'
import { serverTrouble } from '../../../client/login/trouble.js'

describe('what is said of a server whose certificate is not valid', () => {
  for (const code of ['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']) {
    it(`names the clock of this machine, and nobody is to trust something else instead: ${code}`, () => {
      const cause = Object.assign(new Error('not now'), { code })
      const said = serverTrouble(new ExchangeError('untrusted', 'not now', { cause }), 'https://x')
      expect(said).to.have.property('message').that.includes("this machine's clock")
      expect(said).to.have.property('message').that.does.not.include('--fingerprint')
    })
  }
})
