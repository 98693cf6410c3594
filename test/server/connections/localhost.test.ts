import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { startSite } from '../running.js'

describe('a server that "localhost" does not lead to', () => {
  let parent: string
  let data: string
  beforeEach(async () => {
    parent = await temporaryDirectory('localhost')
    data = join(parent, 'data')
  })
  afterEach(() => removeDirectory(parent))

  it('says by what address it is reached where that is not localhost', async () => {
    const site = await startSite({ data, environment: { COFFER_HOST: '127.0.0.2' } })
    await site.stop()
    const { port } = new URL(site.issuer)
    expect(site.printed.join('\n')).to.contain(
      `"localhost" does not lead to 127.0.0.2 here. Set COFFER_ISSUER to the address that people use, such as https://127.0.0.2:${port}, and start once with --accept-issuer-change.`,
    )
    const environment = { COFFER_HOST: '127.0.0.2', COFFER_ISSUER: `https://127.0.0.2:${port}` }
    const again = await startSite({ data, environment, flags: { acceptIssuerChange: true } })
    await again.stop()
    expect(again.printed.join('\n')).to.not.contain('COFFER_ISSUER')
  })

  it('listens on an address with a zone, which no URL names', async () => {
    const found = Object.entries(networkInterfaces()).flatMap(([name, all]) =>
      (all ?? [])
        .filter(({ family }) => family === 'IPv6')
        .map(({ address }) => `${address}%${name}`),
    )
    const host = found.find((address) => address.startsWith('fe80:')) ?? found[0]
    // Where there is no IPv6.
    if (host === undefined) return
    for (const time of ['first', 'second']) {
      const site = await startSite({ data, environment: { COFFER_HOST: host } })
      await site.stop()
      expect(site.printed.join('\n'), time).to.contain(
        `${host} here. Set COFFER_ISSUER to the address that people use and start once`,
      )
    }
  })
})
