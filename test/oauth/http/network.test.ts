import { expect } from 'chai'
import { networkOf } from '../../../oauth/http/network.js'

describe('networkOf', () => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2::1', '20010db8000100/56'],
    ['2001:DB8:1:FF:1:2:3:4', '20010db8000100/56'],
    ['2001:db8:1:100::', '20010db8000101/56'],
    ['::1', '00000000000000/56'],
    ['fe80::1%eth0', 'fe800000000000/56'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['', ''],
  ] as const) {
    it(`takes ${address || 'nothing'} for ${network || 'nothing'}`, () => {
      expect(networkOf(address)).to.equal(network)
    })
  }
})
