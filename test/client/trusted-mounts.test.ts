import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, machine } from '../support/mount.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'

describe('a mount of a server whose authority the system does not know', function () {
  this.timeout(120_000)
  let server: TestServer
  let home: Machine

  before(async function () {
    requires(this, 'fuse')
    server = await startServer()
  })
  after(() => server?.remove())
  afterEach(() => home?.remove())

  const refusal = async (...parameters: string[]): Promise<string> => {
    const { status, stderr } = await home.coffer(...parameters)
    expect(status, stderr).to.equal(1)
    return stderr
  }

  it('trusts the one in the data directory of a server on this machine', async () => {
    home = await machine(server, { env: { COFFER_CA: '', COFFER_DATA: server.data } })
    await (await home.mount()).unmount()
  })

  it('asks to compare its fingerprint, and remembers it', async () => {
    home = await machine(server, { env: { COFFER_CA: '' } })
    const said = await refusal('login')
    const [, fingerprint = ''] = /--fingerprint ([0-9A-F:]+)/.exec(said) ?? []
    expect(fingerprint).to.have.length(95)
    const wrong = fingerprint.replace(/^../, (digits) => (digits === '00' ? '01' : '00'))
    expect(await refusal('login', '--fingerprint', wrong)).to.include('another SHA-256 fingerprint')
    const mount = await home.mount({ flags: ['--fingerprint', fingerprint] })
    await mount.unmount()
    await rm(join(home.home, 'state'), { recursive: true })
    await (await home.mount()).unmount()
  })
})
