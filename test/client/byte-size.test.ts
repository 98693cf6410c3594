import { expect } from 'chai'
import { byteSize, byteSizeFrom } from '../../client/byte-size.js'
import { CommandError } from '../../client/command-error.js'
import { localStorage } from '../../client/commands/local-storage.js'

describe('a number of bytes on the command line', () => {
  const cases: [input: string, bytes: number][] = [
    ['4096', 4096],
    ['16k', 16384],
    ['500M', 524_288_000],
    ['1.5GiB', 1_610_612_736],
    ['2tb', 2_199_023_255_552],
  ]
  for (const [input, bytes] of cases) {
    it(`reads ${input} as ${bytes}`, () => {
      expect(byteSize(input)).to.equal(bytes)
    })
  }
  for (const input of ['', '0', '-1', 'M', '1X', '1e9', '9999999T']) {
    it(`refuses "${input}"`, () => {
      expect(() => byteSize(input)).to.throw(CommandError)
    })
  }
  it('refuses what is too little', () => {
    expect(() => byteSizeFrom('16M')('15M')).to.throw(CommandError, '16M or more')
    expect(byteSizeFrom('16M')('16M')).to.equal(2 ** 24)
  })
})

describe('what a mount keeps on the local disk', () => {
  it('is nothing by default, 1 GiB of journal and 10 GiB of cache where asked', () => {
    expect(localStorage({}, '/here')).to.deep.equal({})
    expect(localStorage({ writeBack: true, cacheDir: 'c' }, '/here')).to.deep.equal({
      writeBack: { bytes: 2 ** 30 },
      cache: { directory: '/here/c', bytes: 10 * 2 ** 30 },
    })
  })
  it('refuses a size without the thing', () => {
    expect(() => localStorage({ cacheSize: 1 }, '/')).to.throw(CommandError, '--cache-dir')
    expect(() => localStorage({ writeBackSize: 1 }, '/')).to.throw(CommandError, '--write-back')
  })
})
