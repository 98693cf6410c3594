import { expect } from 'chai'
import { carried } from '../../../oauth/http/carried.js'
import { Parameters } from '../../../oauth/http/parameters.js'

describe('what is carried from page to page', () => {
  const meant = new Set(['state', 'resource'])
  const of = (...pairs: [string, string][]) => carried(new Parameters(pairs), meant).pairs

  it('is what means something', () => {
    expect(
      of(['state', 'x'], ['claims', '{}'], ['resource', 'a'], ['resource', 'b']),
    ).to.deep.equal([
      ['state', 'x'],
      ['resource', 'a'],
      ['resource', 'b'],
    ])
  })
  it('is that something was repeated, whatever it is', () => {
    const query = carried(
      new Parameters([
        ['foo', 'x'.repeat(20_000)],
        ['foo', 'y'],
      ]),
      meant,
    )
    expect(() => query.rejectRepeated()).to.throw(/foo is repeated/)
    const state = carried(
      new Parameters([
        ['state', 'x'],
        ['state', 'y'],
      ]),
      meant,
    )
    expect(() => state.rejectRepeated()).to.throw(/state is repeated/)
  })
  it('is no more than a URL takes', () => {
    expect(of(['state', 'x'.repeat(8900)])).to.have.length(1)
    for (const state of ['x'.repeat(9000), '漢'.repeat(3000), '\u0001'.repeat(1600)]) {
      expect(() => of(['state', state])).to.throw(/9000 bytes/)
    }
  })
})
